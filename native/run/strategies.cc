#include "run/strategies.h"

#include <cstring>

#include "percpu/cpu_id.h"
#if defined(__x86_64__)
#include "percpu/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "percpu/rseq_aarch64.h"
#else
#include "percpu/rseq_fallback.h"
#endif

namespace percpu {

namespace {

// Makes the compiler choose an instruction that returns the old value. A carry needs that value.
inline void Use(int64_t value) {
  __asm__ volatile("" : : "r"(value));
}

// The product's counter: an atomic add on the leaf of the current CPU, with carries.
void AddToTree(void* context, uint32_t, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  const CpuId cpu;
  for (uint64_t i = 0; i < iterations; i++) at->counter.Add(cpu.Get(), at->delta);
}

// The lowest cost of an atomic counter: one atomic add to a cache line that no other thread uses.
void AddAtomically(void* context, uint32_t thread, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  int64_t* word = &at->lines[thread].value;
  for (uint64_t i = 0; i < iterations; i++) Use(FetchAddRelaxed(word, at->delta));
}

// One atomic word that all threads share. Per-CPU counters avoid its contention.
void AddToSharedWord(void* context, uint32_t, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  int64_t* word = &at->lines[0].value;
  for (uint64_t i = 0; i < iterations; i++) Use(FetchAddRelaxed(word, at->delta));
}

// A restartable sequence on a word that only this thread writes. Without rseq, an atomic add.
void AddRestartably(void* context, uint32_t thread, uint32_t cpu, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  int64_t* word = &at->lines[thread].value;
  RseqArea* area = kHasRseqAdd ? LibraryRseqArea() : nullptr;
  if (area == nullptr) return AddAtomically(context, thread, cpu, iterations);
  const CpuId current;
  for (uint64_t i = 0; i < iterations; i++) {
    while (!RseqAdd(area, current.Get(), word, at->delta)) {
    }
  }
}

constexpr Strategy kStrategies[] = {
    {.name = kTreeStrategy, .loop = AddToTree, .uses_counter = true},
    {.name = "private-atomic", .loop = AddAtomically, .uses_counter = false},
    {.name = "shared-atomic", .loop = AddToSharedWord, .uses_counter = false},
    {.name = "rseq", .loop = AddRestartably, .uses_counter = false},
};

}  // namespace

const Strategy* FindStrategy(const char* name) {
  for (const Strategy& strategy : kStrategies) {
    if (strcmp(strategy.name, name) == 0) return &strategy;
  }
  return nullptr;
}

}  // namespace percpu
