// Ways to count on a pinned thread, by name. Benchmarks compare them.
#pragma once

#include <cstdint>

#include "counter/counter_tree.h"
#include "cpu/pinned_threads.h"

namespace percpu {

// What the loops work on. A strategy uses only what it needs.
struct StrategyContext {
  CounterTree counter;
  int64_t delta = 1;
  // One cache line per thread, for the strategies without a counter.
  struct alignas(kCacheLine) Line {
    int64_t value;
  };
  Line* lines = nullptr;
};

struct Strategy {
  const char* name;
  PinnedLoop loop;
  bool uses_counter;
};

// Returns the strategy of that name, or nullptr.
const Strategy* FindStrategy(const char* name);

inline constexpr const char* kTreeStrategy = "tree";

}  // namespace percpu
