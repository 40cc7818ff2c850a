// The CPU number of a native thread.
#pragma once

#include <sched.h>
#include <cstdint>

#include "percpu/rseq.h"

namespace percpu {

// Reads the calling thread's CPU number from the rseq area, which is one load; without an area, by
// sched_getcpu(). An object must be created and used on the same thread.
class CpuId {
 public:
  CpuId() : area_(LibraryRseqArea()) {}

  // The thread may move right after: a stale number costs locality only. Relaxed: the kernel writes the word
  // on this thread's behalf. Returns 0 if the number cannot be read.
  uint32_t Get() const {
    if (area_ != nullptr) [[likely]] {
      return static_cast<uint32_t>(__atomic_load_n(&area_->cpu_id, __ATOMIC_RELAXED));
    }
    const int cpu = sched_getcpu();
    return cpu < 0 ? 0 : static_cast<uint32_t>(cpu);
  }

 private:
  const RseqArea* area_;
};

}  // namespace percpu
