#include "cpu/pinned_threads.h"

#include <time.h>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "check.h"
#include "cpu/affinity.h"
#include "run/strategies.h"
#include "test_arena.h"

namespace {

constexpr uint32_t kMaxThreads = 64;
constexpr uint64_t kForever = uint64_t{1} << 60;

uint32_t AllowedCpus(uint32_t* cpus) {
  percpu::CpuSet allowed;
  CHECK_EQ(percpu::ReadAffinity(0, &allowed), 0);
  uint32_t count = 0;
  for (uint32_t cpu = 0; cpu < allowed.capacity() && count < kMaxThreads / 4; cpu++) {
    if (allowed.Has(cpu)) cpus[count++] = cpu;
  }
  return count;
}

void CountCalls(void* calls) {
  __atomic_fetch_add(static_cast<int*>(calls), 1, __ATOMIC_RELAXED);
}

void EveryStrategyCountsExactly() {
  uint32_t cpus[kMaxThreads];
  uint32_t threads = AllowedCpus(cpus);
  // Two threads per CPU.
  memcpy(cpus + threads, cpus, threads * sizeof(uint32_t));
  threads *= 2;
  constexpr uint64_t kIterations = 100'003;
  for (const char* name : {"tree", "private-atomic", "shared-atomic", "rseq"}) {
    const percpu::Strategy* strategy = percpu::FindStrategy(name);
    CHECK(strategy != nullptr);
    TestArena arena(8, 32);
    percpu::StrategyContext context;
    percpu::StrategyContext::Line lines[kMaxThreads] = {};
    context.counter = arena.counter();
    context.delta = 3;
    context.lines = lines;
    int calls = 0;
    percpu::PinnedThreads run;
    CHECK(run.Prepare(cpus, threads, kIterations, nullptr));
    CHECK_EQ(run.Start(strategy->loop, &context, CountCalls, &calls), 0);
    run.Join();
    CHECK_EQ(calls, 1);
    CHECK_EQ(run.failure().error, 0);
    int64_t sum = arena.counter().PreciseSum();
    for (const auto& line : lines) sum += line.value;
    CHECK_EQ(sum, 3 * kIterations * threads);
    for (uint32_t i = 0; i < threads; i++) {
      CHECK_EQ(run.result(i).start_cpu, cpus[i]);
      CHECK_EQ(run.result(i).end_cpu, cpus[i]);
      CHECK_EQ(run.result(i).iterations, kIterations);
      CHECK(run.result(i).elapsed_ns > 0);
    }
  }
  CHECK(percpu::FindStrategy("none") == nullptr);
}

void NobodyAddsWhenOneCannotBePinned() {
  uint32_t cpus[kMaxThreads];
  const uint32_t allowed = AllowedCpus(cpus);
  cpus[allowed] = percpu::kMaxAffinityCpus - 1;
  TestArena arena(2, 32);
  percpu::StrategyContext context;
  context.counter = arena.counter();
  int calls = 0;
  percpu::PinnedThreads run;
  CHECK(run.Prepare(cpus, allowed + 1, 1000, nullptr));
  CHECK_EQ(run.Start(percpu::FindStrategy("tree")->loop, &context, CountCalls, &calls), 0);
  run.Join();
  CHECK_EQ(calls, 1);
  CHECK_EQ(run.failure().error, EINVAL);
  CHECK_EQ(run.failure().cpu, percpu::kMaxAffinityCpus - 1);
  CHECK_EQ(arena.counter().PreciseSum(), 0);
}

void StopsEarly(bool by_word, bool at_once) {
  uint32_t cpus[kMaxThreads];
  const uint32_t threads = AllowedCpus(cpus);
  TestArena arena(2, 32);
  percpu::StrategyContext context;
  context.counter = arena.counter();
  int calls = 0;
  int32_t stop_word = 0;
  uint64_t done = 0;
  {
    percpu::PinnedThreads run;
    CHECK(run.Prepare(cpus, threads, kForever, &stop_word));
    CHECK_EQ(run.Start(percpu::FindStrategy("tree")->loop, &context, CountCalls, &calls), 0);
    if (!at_once) {
      const timespec pause = {0, 20'000'000};
      nanosleep(&pause, nullptr);
    }
    if (by_word) {
      __atomic_store_n(&stop_word, 1, __ATOMIC_RELAXED);
    } else {
      run.Stop();
    }
    run.Join();
    CHECK_EQ(calls, 1);
    for (uint32_t i = 0; i < threads; i++) done += run.result(i).iterations;
  }
  CHECK(done < kForever);
  CHECK_EQ(arena.counter().PreciseSum(), done);
}

// An owner that goes away takes its threads along.
void DestructionStops() {
  uint32_t cpus[kMaxThreads];
  const uint32_t threads = AllowedCpus(cpus);
  TestArena arena(2, 32);
  percpu::StrategyContext context;
  context.counter = arena.counter();
  int calls = 0;
  {
    percpu::PinnedThreads run;
    CHECK(run.Prepare(cpus, threads, kForever, nullptr));
    CHECK_EQ(run.Start(percpu::FindStrategy("tree")->loop, &context, CountCalls, &calls), 0);
  }
  CHECK_EQ(calls, 1);
}

}  // namespace

int main() {
  EveryStrategyCountsExactly();
  NobodyAddsWhenOneCannotBePinned();
  for (int i = 0; i < 20; i++) {
    StopsEarly(i % 2 == 0, i % 4 < 2);
    DestructionStops();
  }
  return 0;
}
