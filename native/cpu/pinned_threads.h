// Runs a loop on several threads at once, each pinned to its CPU, all started together.
#pragma once

#include <pthread.h>
#include <cstdint>

namespace percpu {

// What one thread does. Called on that thread, after it is pinned, again and again until all iterations are
// done or the run is stopped. The loop it makes must not block.
using PinnedLoop = void (*)(void* context, uint32_t thread, uint32_t cpu, uint64_t iterations);

struct PinnedResult {
  uint32_t cpu;         // asked for
  int32_t start_cpu;    // found when the loop began
  int32_t end_cpu;      // found when it ended
  uint64_t iterations;  // done
  int64_t elapsed_ns;   // from the common start to this thread's end
};

struct PinnedFailure {
  int error = 0;             // errno, 0: none
  const char* syscall = "";  // what failed
  int64_t cpu = -1;          // the CPU it failed for
};

// One run. Start() makes a coordinator thread, which makes the others, waits for them, calls `done` and ends;
// the starting thread never waits. Whoever owns the run joins it before it goes away.
class PinnedThreads {
 public:
  using Done = void (*)(void* context);

  PinnedThreads() = default;
  ~PinnedThreads();
  PinnedThreads(const PinnedThreads&) = delete;
  PinnedThreads& operator=(const PinnedThreads&) = delete;

  // Prepares `threads` threads, thread i on cpus[i]. Returns false without memory.
  // `stop_word` (may be nullptr) stops the run like Stop() once it is not 0; it must stay readable until
  // Join().
  [[nodiscard]] bool Prepare(const uint32_t* cpus, uint32_t threads, uint64_t iterations,
                             const int32_t* stop_word);

  // Returns 0 or the errno of making the coordinator. `done` is called on the
  // coordinator's thread, once, whatever happened.
  [[nodiscard]] int Start(PinnedLoop loop, void* loop_context, Done done, void* done_context);

  // Makes the threads end soon. From any thread, at any time.
  void Stop() { __atomic_store_n(&stopped_, true, __ATOMIC_RELAXED); }

  // Waits for the coordinator, and so for all threads. Idempotent; from the owner's thread only.
  void Join();

  // After Join(), or on the coordinator's thread in `done`.
  uint32_t threads() const { return threads_; }
  const PinnedResult& result(uint32_t thread) const { return results_[thread]; }
  const PinnedFailure& failure() const { return failure_; }

 private:
  struct Thread {
    PinnedThreads* run;
    uint32_t number;
    pthread_t handle;
  };

  static void* RunCoordinator(void* self);
  static void* RunThread(void* thread);
  void Coordinate();
  void RunOne(uint32_t number);
  bool WaitForStart(uint32_t number, int error);
  void Fail(int error, const char* syscall, int64_t cpu);

  bool stopped() const {
    return __atomic_load_n(&stopped_, __ATOMIC_RELAXED) ||
           (stop_word_ != nullptr && __atomic_load_n(stop_word_, __ATOMIC_RELAXED) != 0);
  }

  PinnedLoop loop_ = nullptr;
  Done done_ = nullptr;
  void* loop_context_ = nullptr;
  void* done_context_ = nullptr;
  uint64_t iterations_ = 0;
  uint32_t threads_ = 0;
  Thread* handles_ = nullptr;
  PinnedResult* results_ = nullptr;
  pthread_t coordinator_ = {};
  bool started_ = false;

  // Written by any thread, read by the loops between slices: no other memory depends on it, so relaxed.
  bool stopped_ = false;
  const int32_t* stop_word_ = nullptr;

  // The start barrier; all of it under the mutex.
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t all_arrived_ = PTHREAD_COND_INITIALIZER;
  pthread_cond_t opened_ = PTHREAD_COND_INITIALIZER;
  uint32_t awaited_ = 0;
  bool open_ = false;
  int64_t start_ns_ = 0;
  PinnedFailure failure_;
};

}  // namespace percpu
