// NUMA placement of memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace percpu {

size_t PageBytes();

// Asks the kernel to take the pages of [start, start + bytes) from `node` when they are first touched. If
// that node has no memory left, they come from another one. `start` is page aligned. Returns 0 or an errno.
// Source: mbind(2), MPOL_PREFERRED.
int PreferNode(void* start, size_t bytes, uint32_t node);

}  // namespace percpu
