// The shape of the tree above the per-CPU leaves.
#pragma once

#include <cstdint>

namespace percpu {

inline constexpr uint32_t kMaxCpus = 1u << 20;
inline constexpr uint32_t kMaxLevels = 5;

struct TreeShape {
  uint32_t cpus = 0;
  uint32_t order = 0;   // ceil(log2(cpus)), 0 … 20
  uint32_t levels = 0;  // of items, including the root's
  uint32_t items = 0;   // of all levels, including the root
  // log2 of the number of children of an item, the lowest level first; the sum is `order`.
  uint32_t arity_orders[kMaxLevels] = {};
};

// The shape for 1 … kMaxCpus CPUs. Few levels keep the error bound small. Few children per item keep the
// items uncontended. The order is split over the levels as evenly as possible, with the larger parts at the
// leaves.
constexpr TreeShape MakeTreeShape(uint32_t cpus) {
  TreeShape shape;
  shape.cpus = cpus;
  while ((1u << shape.order) < cpus) shape.order++;
  shape.levels = shape.order <= 3 ? shape.order : shape.order <= 9 ? 3 : shape.order <= 12 ? 4 : 5;
  uint32_t below = 0;
  for (uint32_t level = 0; level < shape.levels; level++) {
    shape.arity_orders[level] = (shape.order - level + shape.levels - 1) / shape.levels;
    below += shape.arity_orders[level];
    shape.items += 1u << (shape.order - below);
  }
  return shape;
}

static_assert(MakeTreeShape(1).items == 0);
static_assert(MakeTreeShape(2).items == 1);
static_assert(MakeTreeShape(256).items == 37);
static_assert(MakeTreeShape(384).items == 73);
static_assert(MakeTreeShape(kMaxCpus).items == 69905);

}  // namespace percpu
