// For architectures without a restartable sequence: the caller adds atomically.
#pragma once

#include <cstdint>

#include "percpu/rseq.h"

namespace percpu {

inline constexpr bool kHasRseqAdd = false;

[[nodiscard]] inline bool RseqAdd(RseqArea*, uint32_t, int64_t*, int64_t) {
  return false;
}

}  // namespace percpu
