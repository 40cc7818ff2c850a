// Runs a loop on several threads. Each is pinned to its CPU, and all start at the same time.
#pragma once

#include <pthread.h>
#include <cstdint>

namespace percpu {

// The work of one thread. It is called on the pinned thread, repeatedly, until all iterations are done or the
// run is stopped. It must not block.
using PinnedLoop = void (*)(void* context, uint32_t thread, uint32_t cpu, uint64_t iterations);

struct PinnedResult {
  uint32_t cpu;         // the requested one
  int32_t start_cpu;    // where the loop began; -1: it did not begin
  int32_t end_cpu;      // where the loop ended
  uint64_t iterations;  // done
  int64_t elapsed_ns;   // from the common start to this thread's end
};

struct PinnedFailure {
  int error = 0;             // an errno; 0: no failure
  const char* syscall = "";  // the call that failed
  int64_t cpu = -1;          // the CPU that it failed for
};

// One run. Start() creates a coordinator thread and returns. The coordinator creates the other threads, waits
// for them, calls `done` and ends.
class PinnedThreads {
 public:
  using Done = void (*)(void* context);

  PinnedThreads() = default;
  ~PinnedThreads();
  PinnedThreads(const PinnedThreads&) = delete;
  PinnedThreads& operator=(const PinnedThreads&) = delete;

  // Prepares `threads` threads, thread i on cpus[i]. Returns false if there is no memory. `stop_word` may be
  // nullptr. The run stops, as by Stop(), once the word is not 0. The word must stay readable until Join().
  [[nodiscard]] bool Prepare(const uint32_t* cpus, uint32_t threads, uint64_t iterations,
                             const int32_t* stop_word);

  // Returns 0, or an errno if the coordinator cannot be created. Otherwise `done` is called once, on the
  // coordinator's thread, also if the run fails.
  [[nodiscard]] int Start(PinnedLoop loop, void* loop_context, Done done, void* done_context);

  // Makes the threads end soon. Any thread may call it at any time. Relaxed: see stopped_.
  void Stop() { __atomic_store_n(&stopped_, true, __ATOMIC_RELAXED); }

  // Waits for the coordinator, and so for all threads. Idempotent. Only the owner's thread may call it.
  void Join();

  // Valid after Join(), and on the coordinator's thread in `done`.
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

  // Any thread writes it; the loops read it between slices. Relaxed: no other memory depends on it, nor on
  // the stop word.
  bool stopped_ = false;
  const int32_t* stop_word_ = nullptr;

  // The start barrier. The mutex guards all of it.
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t all_arrived_ = PTHREAD_COND_INITIALIZER;
  pthread_cond_t opened_ = PTHREAD_COND_INITIALIZER;
  uint32_t awaited_ = 0;
  bool open_ = false;
  int64_t start_ns_ = 0;
  PinnedFailure failure_;
};

}  // namespace percpu
