// What a tree holds back at most: approximate <= precise <= approximate + slack, when no add is under way.
#pragma once

#include <cstdint>

#include "counter/tree_shape.h"

inline int64_t Slack(uint32_t cpus, int64_t batch) {
  const percpu::TreeShape shape = percpu::MakeTreeShape(cpus);
  if (shape.levels == 0) return 0;
  int64_t slack = cpus * (batch - 1);
  int64_t items = int64_t{1} << shape.order;
  int64_t step = batch;
  for (uint32_t level = 0; level + 1 < shape.levels; level++) {
    items >>= shape.arity_orders[level];
    slack += items * ((step << shape.arity_orders[level]) - step);
    step <<= shape.arity_orders[level];
  }
  return slack;
}
