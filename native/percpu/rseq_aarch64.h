// A restartable sequence for aarch64: an add that is neither exclusive nor atomic. Its last instruction
// commits it. If the thread is preempted, migrated or signalled before that instruction, the kernel jumps to
// the abort handler.
#pragma once

#include <cstdint>

#include "percpu/pause.h"
#include "percpu/rseq.h"

namespace percpu {

inline constexpr bool kHasRseqAdd = true;

// Adds to `*word`, which belongs to `cpu`, if the calling thread is on that CPU from start to commit.
// Otherwise returns false, with nothing added. Every writer of the word must add this way: an atomic add of
// another CPU could come between the load and the store.
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
      "adrp x9, 1b\n"
      "add x9, x9, :lo12:1b\n"
      "str x9, %[rseq_cs]\n"
      "2:\n"
      "ldr w9, %[cpu_id]\n"
      "cmp w9, %w[cpu]\n"
      "b.ne %l[moved]\n" PERCPU_RSEQ_PAUSE
      "ldr x9, %[word]\n"
      "add x9, x9, %[delta]\n"
      "str x9, %[word]\n"
      "3:\n"
      // The signature precedes the handler. It is an instruction that is never executed (brk).
      ".pushsection __rseq_abort, \"ax\"\n"
      ".inst %c[signature]\n"
      "4:\n" PERCPU_RSEQ_ABORTED
      "b %l[moved]\n"
      ".popsection\n"
      :
      : [rseq_cs] "m"(area->rseq_cs), [cpu] "r"(cpu), [cpu_id] "m"(area->cpu_id), [delta] "r"(delta),
        [word] "m"(*word), [signature] "i"(kRseqSignature)
      : "memory", "cc", "x9", "x10", "x11"
      : moved);
  return true;
moved:
  return false;
}

}  // namespace percpu
