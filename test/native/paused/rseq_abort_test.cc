// Restartable sequences that are restarted: threads are moved to other CPUs and signalled while they are
// inside one, between its look at the CPU and its commit. The kernel aborts them, which is counted, and no
// add is lost or made twice. Usage: rseq_abort_test [ABORTS] [ADDS PER THREAD]
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <csignal>
#include <ctime>

#include "../check.h"
#include "../random.h"
#include "cpu/affinity.h"
#include "pauses.h"
#include "percpu/cpu_id.h"

#if defined(__x86_64__)
#include "percpu/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "percpu/rseq_aarch64.h"
#else
#include "percpu/rseq_fallback.h"
#endif

namespace {

constexpr int kSkipped = 77;
constexpr uint32_t kMaxCpus = 64;
constexpr uint32_t kThreads = 6;

struct alignas(64) Word {
  int64_t value;
};

uint32_t cpus[kMaxCpus];
uint32_t cpu_count = 0;

void ReadCpus() {
  percpu::CpuSet allowed;
  CHECK_EQ(percpu::ReadAffinity(0, &allowed), 0);
  for (uint32_t cpu = 0; cpu < allowed.capacity() && cpu_count < kMaxCpus; cpu++) {
    if (allowed.Has(cpu)) cpus[cpu_count++] = cpu;
  }
}

uint64_t Aborts() {
  return __atomic_load_n(&percpu_rseq_aborts, __ATOMIC_RELAXED);
}

// A thread of its own that moves and signals the others without pause.
struct Harassment {
  pthread_t threads[kThreads] = {};
  pid_t tids[kThreads] = {};
  uint32_t count = 0;
  bool stop = false;
  uint64_t moves = 0;
  uint64_t signals = 0;
};

void* Harass(void* data) {
  auto* at = static_cast<Harassment*>(data);
  Random random(7);
  while (!__atomic_load_n(&at->stop, __ATOMIC_ACQUIRE)) {
    const uint64_t bits = random.Next();
    const uint32_t victim = bits % at->count;
    if ((bits & 0x100) != 0 && cpu_count > 1) {
      percpu::CpuSet set;
      const uint32_t cpu = cpus[(bits >> 32) % cpu_count];
      CHECK(set.Allocate(cpu + 1));
      set.Add(cpu);
      percpu::WriteAffinity(at->tids[victim], set);
      at->moves++;
    } else {
      pthread_kill(at->threads[victim], SIGUSR1);
      at->signals++;
    }
    const timespec moment = {0, 20'000};
    nanosleep(&moment, nullptr);
  }
  return nullptr;
}

pid_t OwnTid() {
  return static_cast<pid_t>(syscall(SYS_gettid));
}

// One thread, one word, a long turn inside every sequence: each attempt can be checked by itself.
struct Attempts {
  uint64_t wanted_aborts;
  pid_t tid = 0;
  uint64_t committed = 0;
  uint64_t refused = 0;
  uint64_t aborted = 0;
};

void* Attempt(void* data) {
  auto* at = static_cast<Attempts*>(data);
  __atomic_store_n(&at->tid, OwnTid(), __ATOMIC_RELEASE);
  percpu::RseqArea* area = percpu::LibraryRseqArea();
  CHECK(area != nullptr);
  const percpu::CpuId current;
  Word word = {};
  for (time_t end = time(nullptr) + 60; at->aborted < at->wanted_aborts && time(nullptr) < end;) {
    const uint64_t aborts = Aborts();
    const int64_t before = word.value;
    const bool added = percpu::RseqAdd(area, current.Get(), &word.value, 3);
    const bool aborted = Aborts() != aborts;
    CHECK_EQ(word.value, before + (added ? 3 : 0));
    CHECK(!(added && aborted));
    at->committed += added;
    at->aborted += aborted;
    at->refused += !added && !aborted;
  }
  // A CPU it is not on: refused, and no abort.
  percpu_rseq_spins = 0;
  const uint64_t aborts = Aborts();
  const int64_t before = word.value;
  CHECK(!percpu::RseqAdd(area, 1u << 20, &word.value, 3));
  CHECK_EQ(word.value, before);
  CHECK_EQ(Aborts(), aborts);
  return nullptr;
}

void AbortedAttemptsAddNothing(uint64_t wanted_aborts) {
  percpu_rseq_spins = 300'000;
  Attempts attempts = {wanted_aborts};
  Harassment harassment;
  CHECK_EQ(pthread_create(&harassment.threads[0], nullptr, Attempt, &attempts), 0);
  while ((harassment.tids[0] = __atomic_load_n(&attempts.tid, __ATOMIC_ACQUIRE)) == 0) sched_yield();
  harassment.count = 1;
  pthread_t harasser;
  CHECK_EQ(pthread_create(&harasser, nullptr, Harass, &harassment), 0);
  CHECK_EQ(pthread_join(harassment.threads[0], nullptr), 0);
  __atomic_store_n(&harassment.stop, true, __ATOMIC_RELEASE);
  CHECK_EQ(pthread_join(harasser, nullptr), 0);
  printf("one thread: %" PRIu64 " moves, %" PRIu64 " signals; %" PRIu64 " sequences aborted, %" PRIu64
         " committed, %" PRIu64 " refused\n",
         harassment.moves, harassment.signals, attempts.aborted, attempts.committed, attempts.refused);
  CHECK(attempts.aborted >= wanted_aborts);
}

// All threads on the words of their CPUs, restarted until the add is made: as a per-CPU counter would.
struct Counting {
  Word* words;
  uint64_t adds;
  pid_t* tid;
  bool* go;
};

void* Count(void* data) {
  auto* at = static_cast<Counting*>(data);
  __atomic_store_n(at->tid, OwnTid(), __ATOMIC_RELEASE);
  while (!__atomic_load_n(at->go, __ATOMIC_ACQUIRE)) sched_yield();
  percpu::RseqArea* area = percpu::LibraryRseqArea();
  const percpu::CpuId current;
  for (uint64_t i = 0; i < at->adds; i++) {
    for (;;) {
      const uint32_t cpu = current.Get();
      if (percpu::RseqAdd(area, cpu, &at->words[cpu % kMaxCpus].value, 1)) break;
    }
  }
  return nullptr;
}

void RestartedAddsAreExact(uint64_t adds) {
  // Some microseconds inside, next to nothing outside.
  percpu_rseq_spins = 3'000;
  static Word words[kMaxCpus];
  CHECK(cpus[cpu_count - 1] < kMaxCpus);
  const uint64_t aborts = Aborts();
  Harassment harassment;
  Counting counting[kThreads];
  bool go = false;
  for (uint32_t i = 0; i < kThreads; i++) {
    counting[i] = {words, adds, &harassment.tids[i], &go};
    CHECK_EQ(pthread_create(&harassment.threads[i], nullptr, Count, &counting[i]), 0);
    while (__atomic_load_n(&harassment.tids[i], __ATOMIC_ACQUIRE) == 0) sched_yield();
  }
  harassment.count = kThreads;
  pthread_t harasser;
  CHECK_EQ(pthread_create(&harasser, nullptr, Harass, &harassment), 0);
  __atomic_store_n(&go, true, __ATOMIC_RELEASE);
  // Their ids must not be used when they are gone: the harasser ends first.
  const auto enough = static_cast<int64_t>(kThreads * adds * 9 / 10);
  for (int64_t sum = 0; sum < enough;) {
    const timespec moment = {0, 1'000'000};
    nanosleep(&moment, nullptr);
    sum = 0;
    for (const Word& word : words) sum += __atomic_load_n(&word.value, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&harassment.stop, true, __ATOMIC_RELEASE);
  CHECK_EQ(pthread_join(harasser, nullptr), 0);
  for (pthread_t thread : harassment.threads) CHECK_EQ(pthread_join(thread, nullptr), 0);
  int64_t sum = 0;
  for (const Word& word : words) sum += word.value;
  printf("%u threads: %" PRIu64 " moves, %" PRIu64 " signals; %" PRIu64 " sequences aborted, %" PRId64
         " adds made of %" PRIu64 "\n",
         kThreads, harassment.moves, harassment.signals, Aborts() - aborts, sum, kThreads * adds);
  CHECK(Aborts() > aborts);
  CHECK_EQ(sum, kThreads * adds);
}

}  // namespace

int main(int argc, char** argv) {
#if !defined(PERCPU_COUNTS_RSEQ_ABORTS)
  printf("skipped: aborts are not counted on this architecture\n");
  return kSkipped;
#endif
  if (percpu::LibraryRseqArea() == nullptr) {
    printf("skipped: the kernel or the C library offers no restartable sequences\n");
    return kSkipped;
  }
  const uint64_t aborts = argc > 1 ? strtoull(argv[1], nullptr, 10) : 50;
  const uint64_t adds = argc > 2 ? strtoull(argv[2], nullptr, 10) : 20'000;
  ReadCpus();
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  CHECK_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  AbortedAttemptsAddNothing(aborts);
  RestartedAddsAreExact(adds);
  return 0;
}
