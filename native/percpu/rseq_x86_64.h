// A restartable sequence for x86-64: an add that is neither locked nor atomic. Its last instruction commits
// it. If the thread is preempted, migrated or signalled before that instruction, the kernel jumps to the
// abort handler.
#pragma once

#include <cstdint>

#include "percpu/pause.h"
#include "percpu/rseq.h"

namespace percpu {

inline constexpr bool kHasRseqAdd = true;

// Adds to `*word`, which belongs to `cpu`, if the calling thread is on that CPU from start to commit.
// Otherwise returns false, with nothing added. Every writer of the word must add this way: the add is one
// instruction, but without a lock an atomic add of another CPU could come between its load and its store.
[[nodiscard]] inline bool RseqAdd(RseqArea* area, uint32_t cpu, int64_t* word, int64_t delta) {
  // The sequence's descriptor: version and flags, start, length up to the commit, abort handler. Storing its
  // address arms the sequence. The kernel disarms it when it finds the thread outside of the range.
  __asm__ goto(
      ".pushsection __rseq_cs, \"aw\"\n"
      ".balign 32\n"
      "1:\n"
      ".long 0, 0\n"
      ".quad 2f, 3f - 2f, 4f\n"
      ".popsection\n"
      "leaq 1b(%%rip), %%rax\n"
      "movq %%rax, %[rseq_cs]\n"
      "2:\n"
      "cmpl %[cpu], %[cpu_id]\n"
      "jne %l[moved]\n" PERCPU_RSEQ_PAUSE
      "addq %[delta], %[word]\n"
      "3:\n"
      // The signature precedes the handler. It is the operand of an instruction that is never executed (ud1).
      ".pushsection __rseq_abort, \"ax\"\n"
      ".byte 0x0f, 0xb9, 0x3d\n"
      ".long %c[signature]\n"
      "4:\n" PERCPU_RSEQ_ABORTED
      "jmp %l[moved]\n"
      ".popsection\n"
      :
      : [rseq_cs] "m"(area->rseq_cs), [cpu] "r"(cpu), [cpu_id] "m"(area->cpu_id), [delta] "er"(delta),
        [word] "m"(*word), [signature] "i"(kRseqSignature)
      : "memory", "cc", "rax"
      : moved);
  return true;
moved:
  return false;
}

}  // namespace percpu
