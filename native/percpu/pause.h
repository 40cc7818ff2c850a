// Points at which a thread may lose its CPU in the middle of an operation. In the product they expand to
// nothing. Tests build the same sources with PERCPU_PAUSES, and make threads yield, migrate, sleep or take
// signals at these points.
#pragma once

#if defined(PERCPU_PAUSES)

#include <cstdint>

namespace percpu {

enum class PausePoint : uint8_t {
  kCpuKnown,       // a CPU is chosen, nothing is added yet
  kLeafAdded,      // the leaf has the delta, the tree above does not have the carry
  kItemAdded,      // an item has its carry, the next level does not
  kLeavesSummed,   // the leaves are summed, the bias is not set
  kPinCounted,     // a pin is counted, the generation is not read yet
  kThreadCreated,  // a thread of a run exists, the coordinator has not counted it
  kThreadPinned,   // a thread is pinned and has not reported it
  kPoints
};

// Called at each point. The test defines it.
void PauseAt(PausePoint point);

}  // namespace percpu

#define PERCPU_PAUSE(point) ::percpu::PauseAt(::percpu::PausePoint::point)

// A restartable sequence cannot call a function between its check of the CPU and its commit. It spins there
// instead. The test defines the number of spins and the count of aborted sequences.
extern "C" {
extern uint32_t percpu_rseq_spins;
extern uint64_t percpu_rseq_aborts;
}

#if defined(__x86_64__)
#define PERCPU_COUNTS_RSEQ_ABORTS
// Clobbers eax and the flags.
#define PERCPU_RSEQ_PAUSE                  \
  "movl percpu_rseq_spins(%%rip), %%eax\n" \
  "testl %%eax, %%eax\n"                   \
  "jz 6f\n"                                \
  "5:\n"                                   \
  "subl $1, %%eax\n"                       \
  "jnz 5b\n"                               \
  "6:\n"
#define PERCPU_RSEQ_ABORTED "lock incq percpu_rseq_aborts(%%rip)\n"
#elif defined(__aarch64__)
#define PERCPU_COUNTS_RSEQ_ABORTS
// Clobbers x10 and the flags.
#define PERCPU_RSEQ_PAUSE                     \
  "adrp x10, percpu_rseq_spins\n"             \
  "ldr w10, [x10, :lo12:percpu_rseq_spins]\n" \
  "cbz w10, 6f\n"                             \
  "5:\n"                                      \
  "subs w10, w10, #1\n"                       \
  "b.ne 5b\n"                                 \
  "6:\n"
// Clobbers x9, x10 and x11.
#define PERCPU_RSEQ_ABORTED                \
  "adrp x9, percpu_rseq_aborts\n"          \
  "add x9, x9, :lo12:percpu_rseq_aborts\n" \
  "7:\n"                                   \
  "ldxr x10, [x9]\n"                       \
  "add x10, x10, #1\n"                     \
  "stxr w11, x10, [x9]\n"                  \
  "cbnz w11, 7b\n"
#endif

#else

#define PERCPU_PAUSE(point) static_cast<void>(0)
#define PERCPU_RSEQ_PAUSE ""
#define PERCPU_RSEQ_ABORTED ""

#endif
