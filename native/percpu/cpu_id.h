// Which CPU a native thread is on.
#pragma once

#include <sched.h>
#include <cstdint>

#include "percpu/rseq.h"

namespace percpu {

// Reads the calling thread's CPU number the cheapest way there is: from the rseq area, one load, or by
// sched_getcpu(). To be made and used on one thread.
class CpuId {
 public:
  CpuId() : area_(LibraryRseqArea()) {}

  // A stale number costs locality only. Where no way works, CPU 0.
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
