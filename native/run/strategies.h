// Ways to count on a pinned thread, by name, for benchmarks that hold them against each other.
#pragma once

#include <cstdint>

#include "counter/counter_tree.h"
#include "cpu/pinned_threads.h"

namespace percpu {

// What the loops work on. Every strategy leaves alone what it does not need.
struct StrategyContext {
  CounterTree counter;
  int64_t delta = 1;
  // One cache line per thread, for the strategies that count privately.
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

// The strategy of that name, or nullptr.
const Strategy* FindStrategy(const char* name);

inline constexpr const char* kTreeStrategy = "tree";

}  // namespace percpu
