#include "counter/counter_tree.h"

#include <cstdint>
#include <initializer_list>

#include "check.h"
#include "random.h"
#include "slack.h"
#include "test_arena.h"

namespace {

void RandomAddsStayWithinBounds(uint32_t cpus, uint32_t batch, uint64_t seed) {
  TestArena arena(cpus, batch);
  Random random(seed);
  const int64_t slack = Slack(cpus, batch);
  int64_t expected = 0;
  for (int i = 0; i < 20'000; i++) {
    const auto delta = static_cast<int64_t>(random.Next() % (8 * batch)) - static_cast<int64_t>(3 * batch);
    arena.counter().Add(static_cast<uint32_t>(random.Next() % cpus), delta);
    expected += delta;
    const int64_t approximate = arena.counter().ApproximateSum();
    CHECK(approximate <= expected);
    CHECK(expected <= approximate + slack);
  }
  CHECK_EQ(arena.counter().PreciseSum(), expected);
}

void KnownCarries() {
  // 8 CPUs, batch 32: steps 32, 64, 128; CPU 5 belongs to item 1 of four, then item 1 of two.
  TestArena arena(8, 32);
  arena.counter().Add(5, 31);
  CHECK_EQ(arena.counter().ApproximateSum(), 0);
  arena.counter().Add(5, 1);  // 32 to level 1, which keeps it
  CHECK_EQ(arena.counter().ApproximateSum(), 0);
  arena.counter().Add(1, 32);  // level 1 passes 64 to level 2, which keeps it
  CHECK_EQ(arena.counter().ApproximateSum(), 0);
  arena.counter().Add(3, 64);  // skips level 1, level 2 reaches 128
  CHECK_EQ(arena.counter().ApproximateSum(), 128);
  arena.counter().Add(0, 1024);  // skips every level
  CHECK_EQ(arena.counter().ApproximateSum(), 1152);
  arena.counter().Add(5, -33);
  CHECK_EQ(arena.counter().PreciseSum(), 31 + 1 + 32 + 64 + 1024 - 33);
  CHECK_EQ(arena.counter().LeafValue(5), -1);
}

void OneCpuIsExact() {
  TestArena arena(1, 32);
  arena.counter().Add(0, 5);
  CHECK_EQ(arena.counter().ApproximateSum(), 5);
  arena.counter().Set(100);
  CHECK_EQ(arena.counter().ApproximateSum(), 100);
  CHECK_EQ(arena.counter().PreciseSum(), 100);
}

void AnyCpuNumberCounts() {
  TestArena arena(6, 32);
  const uint32_t cpus[] = {0, 5, 6, 63, 64, 1023, 100'000, ~0u};
  for (const uint32_t cpu : cpus) arena.counter().Add(cpu, 40);
  CHECK_EQ(arena.counter().PreciseSum(), 8 * 40);
}

void WrapsAt64Bits() {
  TestArena arena(2, 32);
  arena.counter().Add(0, INT64_MAX);
  CHECK_EQ(arena.counter().PreciseSum(), INT64_MAX);
  arena.counter().Add(1, 1);
  CHECK_EQ(arena.counter().PreciseSum(), INT64_MIN);
  arena.counter().Add(0, 1);
  CHECK_EQ(arena.counter().PreciseSum(), INT64_MIN + 1);
  arena.counter().Clear();
  CHECK_EQ(arena.counter().PreciseSum(), 0);
  CHECK_EQ(arena.counter().ApproximateSum(), 0);
}

void PinsOnlyWhatIsAlive() {
  TestArena arena(2, 32);
  const uint32_t generation = arena.descriptor()->generation;
  CHECK(arena.counter().Pin(generation));
  CHECK_EQ(arena.descriptor()->pins, 1);
  CHECK(!arena.counter().Pin(generation + 2));
  CHECK_EQ(arena.descriptor()->pins, 1);
  arena.counter().Unpin();
  CHECK_EQ(arena.descriptor()->pins, 0);
}

// Whatever the memory holds, opening it reads nothing outside of it (the address sanitizer watches) and says
// no.
void RefusesWhatIsNoArena() {
  TestArena arena(4, 32);
  percpu::ArenaView view;
  CHECK(!view.Open(arena.base(), 0));
  CHECK(!view.Open(arena.base(), percpu::kLeafOffsets));
  const percpu::ArenaHeader header = *arena.header();
  arena.header()->magic = 0;
  CHECK(!view.Open(arena.base(), arena.bytes()));
  *arena.header() = header;
  arena.header()->version++;
  CHECK(!view.Open(arena.base(), arena.bytes()));
  *arena.header() = header;
  for (const uint32_t cpus : {0u, (1u << 20) + 1, ~0u}) {
    arena.header()->cpus = cpus;
    CHECK(!view.Open(arena.base(), arena.bytes()));
  }
  *arena.header() = header;
  for (const uint32_t mask : {0u, 1u << 20, ~0u}) {
    arena.header()->leaf_offset_mask = mask;
    CHECK(!view.Open(arena.base(), arena.bytes()));
  }
  *arena.header() = header;
  CHECK(view.Open(arena.base(), arena.bytes()));

  percpu::CounterTree counter;
  const percpu::Descriptor descriptor = *arena.descriptor();
  const uint32_t offset = arena.descriptor_offset();
  CHECK(counter.Open(view, offset));
  CHECK(!counter.Open(view, offset + 4));
  CHECK(!counter.Open(view, ~31u));
  const auto end = static_cast<uint32_t>(arena.bytes());
  for (const uint32_t bad : {end, ~7u, 1u}) {
    *arena.descriptor() = descriptor;
    arena.descriptor()->leaf = bad;
    CHECK(!counter.Open(view, offset));
    *arena.descriptor() = descriptor;
    arena.descriptor()->items = bad;
    CHECK(!counter.Open(view, offset));
    *arena.descriptor() = descriptor;
    arena.descriptor()->root = bad;
    CHECK(!counter.Open(view, offset));
  }
  for (const uint32_t batch : {0u, 1u, 3u}) {
    *arena.descriptor() = descriptor;
    arena.descriptor()->batch = batch;
    CHECK(!counter.Open(view, offset));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 20260101;
  printf("seed %" PRIu64 " (an argument gives another)\n", seed);
  for (const uint32_t cpus : {1u, 2u, 3u, 8u, 17u, 64u, 256u, 384u, 4096u}) {
    for (const uint32_t batch : {2u, 32u, 4096u})
      RandomAddsStayWithinBounds(cpus, batch, seed + cpus + batch);
  }
  KnownCarries();
  OneCpuIsExact();
  AnyCpuNumberCounts();
  WrapsAt64Bits();
  PinsOnlyWhatIsAlive();
  RefusesWhatIsNoArena();
  return 0;
}
