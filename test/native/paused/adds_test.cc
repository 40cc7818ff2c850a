// Threads that add to one tree while they lose their CPU between any two steps of an add, move to another CPU
// between reading its number and adding, and are interrupted by signals whose handler adds as well: no add is
// lost, and the bounds hold when all are done. Usage: adds_test [ADDS PER TREE] [SEED]
#include <pthread.h>
#include <initializer_list>

#include "../check.h"
#include "../random.h"
#include "../slack.h"
#include "../test_arena.h"
#include "cpu/affinity.h"
#include "pauses.h"
#include "percpu/cpu_id.h"

namespace {

constexpr uint32_t kThreads = 6;

struct Adder {
  TestArena* arena = nullptr;
  uint64_t adds = 0;
  uint64_t seed = 0;
  // CPUs to draw from; 0: the CPU the thread is on.
  uint32_t simulated_cpus = 0;
  int64_t added = 0;
  // Written by the signal handler on the adder's own thread.
  int64_t added_by_handler = 0;
  uint64_t handled = 0;
};

thread_local Adder* current = nullptr;

// Only what may be done in a signal handler: loads and atomic operations.
void AddInHandler() {
  Adder* adder = current;
  if (adder == nullptr) return;
  const auto delta = static_cast<int64_t>(++adder->handled % 100) - 30;
  const uint32_t cpu = adder->simulated_cpus == 0 ? 0 : adder->handled % adder->simulated_cpus;
  adder->arena->counter().Add(cpu, delta);
  adder->added_by_handler += delta;
}

void* RunAdder(void* data) {
  auto* adder = static_cast<Adder*>(data);
  SeedPauses(adder->seed);
  current = adder;
  Random random(adder->seed);
  const percpu::CpuId cpu_id;
  percpu::CounterTree& counter = adder->arena->counter();
  for (uint64_t i = 0; i < adder->adds; i++) {
    const uint64_t bits = random.Next();
    const int64_t delta = bits % 1024 == 0 ? static_cast<int64_t>(bits >> 40) - (1 << 23)
                                           : static_cast<int64_t>(bits % 101) - 40;
    const uint32_t cpu =
        adder->simulated_cpus == 0 ? cpu_id.Get() : static_cast<uint32_t>(bits >> 32) % adder->simulated_cpus;
    counter.Add(cpu, delta);
    adder->added += delta;
  }
  current = nullptr;
  return nullptr;
}

struct Reader {
  percpu::CounterTree* counter;
  bool stop = false;
};

// Reads all the while: every value is a possible one for the thread sanitizer to watch, none can be checked.
void* RunReader(void* data) {
  auto* reader = static_cast<Reader*>(data);
  while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE)) {
    reader->counter->ApproximateSum();
    reader->counter->PreciseSum();
    percpu::PauseAt(percpu::PausePoint::kLeavesSummed);
    sched_yield();
  }
  return nullptr;
}

void AddsAreNeverLost(uint32_t cpus, uint32_t batch, bool simulated, uint64_t adds, uint64_t seed) {
  TestArena arena(cpus, batch);
  Adder adders[kThreads];
  pthread_t threads[kThreads];
  Reader reader = {&arena.counter()};
  pthread_t reading;
  CHECK_EQ(pthread_create(&reading, nullptr, RunReader, &reader), 0);
  for (uint32_t i = 0; i < kThreads; i++) {
    adders[i].arena = &arena;
    adders[i].adds = adds / kThreads + (i < adds % kThreads);
    adders[i].seed = seed + i;
    adders[i].simulated_cpus = simulated ? cpus : 0;
    CHECK_EQ(pthread_create(&threads[i], nullptr, RunAdder, &adders[i]), 0);
  }
  int64_t expected = 0;
  uint64_t handled = 0;
  for (uint32_t i = 0; i < kThreads; i++) {
    CHECK_EQ(pthread_join(threads[i], nullptr), 0);
    expected += adders[i].added + adders[i].added_by_handler;
    handled += adders[i].handled;
  }
  __atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
  CHECK_EQ(pthread_join(reading, nullptr), 0);
  const int64_t precise = arena.counter().PreciseSum();
  const int64_t approximate = arena.counter().ApproximateSum();
  printf("%4u CPUs%s, batch %4u: %" PRIu64 " adds and %" PRIu64 " of signal handlers; precise %" PRId64
         " (expected %" PRId64 "), approximate %" PRId64 " (at most %" PRId64 " below)\n",
         cpus, simulated ? " (simulated)" : "", batch, adds, handled, precise, expected, approximate,
         Slack(cpus, batch));
  CHECK_EQ(precise, expected);
  CHECK(approximate <= precise);
  CHECK(precise <= approximate + Slack(cpus, batch));
}

// A thread that pins a counter's slot against one that destroys and reuses it: what is pinned is never
// reused.
struct Slot {
  percpu::CounterTree* counter;
  percpu::Descriptor* descriptor;
  // The counter that has the memory now, as the allocator knows it.
  uint32_t owner = 1;
  uint64_t pinned = 0;
  bool stop = false;
};

void* RunPinner(void* data) {
  auto* slot = static_cast<Slot*>(data);
  while (!__atomic_load_n(&slot->stop, __ATOMIC_ACQUIRE)) {
    const uint32_t generation = __atomic_load_n(&slot->descriptor->generation, __ATOMIC_ACQUIRE);
    if ((generation & 1) == 0 || !slot->counter->Pin(generation)) continue;
    percpu::PauseAt(percpu::PausePoint::kPinCounted);
    CHECK_EQ(__atomic_load_n(&slot->owner, __ATOMIC_ACQUIRE), generation);
    slot->counter->Unpin();
    __atomic_fetch_add(&slot->pinned, 1, __ATOMIC_RELAXED);
  }
  return nullptr;
}

void PinnedSlotsAreNotReused(uint32_t reuses) {
  TestArena arena(2, 32);
  Slot slot = {&arena.counter(), arena.descriptor()};
  pthread_t pinners[3];
  for (auto& pinner : pinners) CHECK_EQ(pthread_create(&pinner, nullptr, RunPinner, &slot), 0);
  SeedPauses(reuses);
  uint32_t generation = 1;
  for (uint32_t i = 0; i < reuses; i++) {
    // As lib/counter/slots.ts does it: free it, look for pins, take it.
    __atomic_store_n(&slot.descriptor->generation, generation + 1, __ATOMIC_SEQ_CST);
    percpu::PauseAt(percpu::PausePoint::kPinCounted);
    while (__atomic_load_n(&slot.descriptor->pins, __ATOMIC_SEQ_CST) != 0) sched_yield();
    generation += 2;
    __atomic_store_n(&slot.owner, generation, __ATOMIC_RELEASE);
    __atomic_store_n(&slot.descriptor->generation, generation, __ATOMIC_SEQ_CST);
    percpu::PauseAt(percpu::PausePoint::kPinCounted);
    if (i % 16 == 0) sched_yield();
  }
  __atomic_store_n(&slot.stop, true, __ATOMIC_RELEASE);
  for (auto& pinner : pinners) CHECK_EQ(pthread_join(pinner, nullptr), 0);
  printf("%u reuses of a slot, pinned %" PRIu64 " times\n", reuses, slot.pinned);
  CHECK_EQ(slot.descriptor->pins, 0);
  CHECK(slot.pinned > 0);
}

uint32_t AllowedCpus() {
  percpu::CpuSet allowed;
  CHECK_EQ(percpu::ReadAffinity(0, &allowed), 0);
  uint32_t count = 0;
  for (uint32_t cpu = 0; cpu < allowed.capacity(); cpu++) count += allowed.Has(cpu);
  return count;
}

// The pauses did what they are for, at every place there is.
void PausesHappened() {
  using percpu::PausePoint;
  for (const PausePoint point : {PausePoint::kCpuKnown, PausePoint::kLeafAdded, PausePoint::kItemAdded}) {
    const uint64_t* taken = pauses_taken[static_cast<uint32_t>(point)];
    printf("pause %u: %" PRIu64 " yields, %" PRIu64 " sleeps, %" PRIu64 " moves, %" PRIu64 " signals\n",
           static_cast<uint32_t>(point), taken[kYield], taken[kSleep], taken[kMigrate], taken[kSignal]);
    for (uint32_t action = 0; action < kActions; action++) CHECK(taken[action] > 0);
  }
  printf("threads found on another CPU: %" PRIu64 "\n", migrations_seen);
  if (AllowedCpus() > 1) CHECK(migrations_seen > 0);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t adds = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1'000'000;
  const uint64_t seed = argc > 2 ? strtoull(argv[2], nullptr, 10) : 20260101;
  CHECK(adds >= 100'000);
  printf("seed %" PRIu64 "\n", seed);
  allowed_actions = Bit(kYield) | Bit(kSleep) | Bit(kMigrate) | Bit(kSignal);
  // The more adds, the rarer: some tens of thousands of pauses in any case.
  pause_period = 64;
  while (pause_period < adds / 50'000) pause_period *= 2;
  OnPauseSignal(AddInHandler);
  PinnedSlotsAreNotReused(2'000);
  AddsAreNeverLost(2, 2, false, adds, seed);
  AddsAreNeverLost(2, 32, false, adds, seed + 100);
  AddsAreNeverLost(256, 2, true, adds, seed + 200);
  AddsAreNeverLost(256, 32, true, adds, seed + 300);
  PausesHappened();
  return 0;
}
