// Places where a thread may lose its CPU with something half done. In the product they are nothing: no call,
// no symbol. Tests build the same sources with PERCPU_PAUSES and make threads yield, migrate, sleep or take
// signals there.
#pragma once

#if defined(PERCPU_PAUSES)

#include <cstdint>

namespace percpu {

enum class PausePoint : uint8_t {
  kCpuKnown,       // a CPU was chosen, nothing is added yet
  kLeafAdded,      // the leaf has it, the tree above does not
  kItemAdded,      // an item has its carry, the next level does not
  kLeavesSummed,   // the leaves are summed, the bias is not set
  kPinCounted,     // a pin is counted, the generation not yet looked at
  kThreadCreated,  // a thread of a run exists, the coordinator has not counted it
  kThreadPinned,   // a thread is on its CPU and has not said so
  kPoints
};

// What happens there; defined by the test.
void PauseAt(PausePoint point);

}  // namespace percpu

#define PERCPU_PAUSE(point) ::percpu::PauseAt(::percpu::PausePoint::point)

// Inside a restartable sequence, between its look at the CPU and its commit, nothing can be called: there it
// turns on the spot. Defined by the test, as is the count of sequences the kernel aborted.
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
#endif

#else

#define PERCPU_PAUSE(point) static_cast<void>(0)
#define PERCPU_RSEQ_PAUSE ""
#define PERCPU_RSEQ_ABORTED ""

#endif
