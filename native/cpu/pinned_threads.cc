#include "cpu/pinned_threads.h"

#include <sched.h>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "cpu/affinity.h"
#include "cpu/thread.h"
#include "percpu/pause.h"

namespace percpu {

namespace {

// Iterations between two reads of the stop flag: some microseconds of work.
constexpr uint64_t kSlice = 1024;

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

PinnedThreads::~PinnedThreads() {
  Stop();
  Join();
  free(handles_);
  free(results_);
  pthread_cond_destroy(&opened_);
  pthread_cond_destroy(&all_arrived_);
  pthread_mutex_destroy(&mutex_);
}

bool PinnedThreads::Prepare(const uint32_t* cpus, uint32_t threads, uint64_t iterations,
                            const int32_t* stop_word) {
  stop_word_ = stop_word;
  handles_ = static_cast<Thread*>(calloc(threads, sizeof(Thread)));
  results_ = static_cast<PinnedResult*>(calloc(threads, sizeof(PinnedResult)));
  if (handles_ == nullptr || results_ == nullptr) return false;
  for (uint32_t i = 0; i < threads; i++) {
    handles_[i] = {.run = this, .number = i, .handle = {}};
    results_[i] = {.cpu = cpus[i], .start_cpu = -1, .end_cpu = -1, .iterations = 0, .elapsed_ns = 0};
  }
  threads_ = threads;
  iterations_ = iterations;
  return true;
}

int PinnedThreads::Start(PinnedLoop loop, void* loop_context, Done done, void* done_context) {
  loop_ = loop;
  done_ = done;
  loop_context_ = loop_context;
  done_context_ = done_context;
  const int error = StartThread(&coordinator_, RunCoordinator, this);
  started_ = error == 0;
  return error;
}

void PinnedThreads::Join() {
  if (!started_) return;
  pthread_join(coordinator_, nullptr);
  started_ = false;
}

void* PinnedThreads::RunCoordinator(void* self) {
  auto* run = static_cast<PinnedThreads*>(self);
  run->Coordinate();
  run->done_(run->done_context_);
  return nullptr;
}

void PinnedThreads::Coordinate() {
  uint32_t created = 0;
  for (; created < threads_ && !stopped(); created++) {
    const int error = StartThread(&handles_[created].handle, RunThread, &handles_[created]);
    PERCPU_PAUSE(kThreadCreated);
    if (error == 0) continue;
    Fail(error, "pthread_create", results_[created].cpu);
    break;
  }
  pthread_mutex_lock(&mutex_);
  awaited_ += created;
  while (awaited_ > 0) pthread_cond_wait(&all_arrived_, &mutex_);
  if (created < threads_) Stop();
  // All created threads are waiting. They begin now; if one could not be pinned, all end at once.
  start_ns_ = NowNs();
  open_ = true;
  pthread_cond_broadcast(&opened_);
  pthread_mutex_unlock(&mutex_);
  for (uint32_t i = 0; i < created; i++) pthread_join(handles_[i].handle, nullptr);
}

void PinnedThreads::Fail(int error, const char* syscall, int64_t cpu) {
  pthread_mutex_lock(&mutex_);
  if (failure_.error == 0) failure_ = {.error = error, .syscall = syscall, .cpu = cpu};
  pthread_mutex_unlock(&mutex_);
}

void* PinnedThreads::RunThread(void* thread) {
  auto* self = static_cast<Thread*>(thread);
  self->run->RunOne(self->number);
  return nullptr;
}

// Waits until every thread is pinned. Returns false if the run must not begin.
bool PinnedThreads::WaitForStart(uint32_t number, int error) {
  PERCPU_PAUSE(kThreadPinned);
  pthread_mutex_lock(&mutex_);
  if (error != 0 && failure_.error == 0) {
    failure_ = {.error = error, .syscall = "sched_setaffinity", .cpu = results_[number].cpu};
  }
  // Modulo 2^32: below zero until the coordinator has added the number of created threads.
  if (--awaited_ == 0) pthread_cond_signal(&all_arrived_);
  while (!open_) pthread_cond_wait(&opened_, &mutex_);
  const bool begins = failure_.error == 0;
  pthread_mutex_unlock(&mutex_);
  return begins;
}

void PinnedThreads::RunOne(uint32_t number) {
  PinnedResult& result = results_[number];
  if (!WaitForStart(number, PinCallingThread(result.cpu))) return;
  result.start_cpu = sched_getcpu();
  while (result.iterations < iterations_ && !stopped()) {
    const uint64_t left = iterations_ - result.iterations;
    const uint64_t slice = left < kSlice ? left : kSlice;
    loop_(loop_context_, number, result.cpu, slice);
    result.iterations += slice;
  }
  result.elapsed_ns = NowNs() - start_ns_;
  result.end_cpu = sched_getcpu();
}

}  // namespace percpu
