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

// Keeps the compiler from choosing an instruction that does not return the old value, which a carry needs.
inline void Use(int64_t value) {
  __asm__ volatile("" : : "r"(value));
}

// The product: on the leaf of the CPU the thread finds itself on, atomically, with carries.
void AddToTree(void* context, uint32_t, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  const CpuId cpu;
  for (uint64_t i = 0; i < iterations; i++) at->counter.Add(cpu.Get(), at->delta);
}

// The least an atomic counter can cost: one locked add to a line that nobody else touches.
void AddAtomically(void* context, uint32_t thread, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  int64_t* word = &at->lines[thread].value;
  for (uint64_t i = 0; i < iterations; i++) Use(FetchAddRelaxed(word, at->delta));
}

// One atomic word that all threads share: what per-CPU counters are there to avoid.
void AddToSharedWord(void* context, uint32_t, uint32_t, uint64_t iterations) {
  auto* at = static_cast<StrategyContext*>(context);
  int64_t* word = &at->lines[0].value;
  for (uint64_t i = 0; i < iterations; i++) Use(FetchAddRelaxed(word, at->delta));
}

// A restartable sequence on a word that only this thread writes; atomically where that is not to be had.
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
    {kTreeStrategy, AddToTree, true},
    {"private-atomic", AddAtomically, false},
    {"shared-atomic", AddToSharedWord, false},
    {"rseq", AddRestartably, false},
};

}  // namespace

const Strategy* FindStrategy(const char* name) {
  for (const Strategy& strategy : kStrategies) {
    if (strcmp(strategy.name, name) == 0) return &strategy;
  }
  return nullptr;
}

}  // namespace percpu
