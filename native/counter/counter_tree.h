// The counter tree over an arena's memory, for native threads. lib/counter/wasm/hot-path.ts has a drawing and
// a worked example of the same arithmetic.
//
// Concurrency. Only atomic read-modify-write operations change leaves, items and roots, here and in
// JavaScript: no update is lost. Relaxed order is enough for two reasons. The carry of an add follows from
// the old and new value of one operation, not from a second read. No reader concludes from one word what
// another word holds. A thread that needs the exact sum learns first that the adders have finished, by a join
// or a message. That orders their adds before its reads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "counter/arena_view.h"
#include "percpu/pause.h"

namespace percpu {

inline int64_t LoadRelaxed(const int64_t* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

// Adds to a word; returns what it held before. Wraps at 64 bits.
inline int64_t FetchAddRelaxed(int64_t* word, int64_t delta) {
  return __atomic_fetch_add(word, delta, __ATOMIC_RELAXED);
}

inline int64_t WrappingAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

// floor(after / step) * step - floor(before / step) * step; step is a power of two.
inline int64_t CarryOf(int64_t before, int64_t after, uint64_t step) {
  const uint64_t mask = ~(step - 1);
  return static_cast<int64_t>((static_cast<uint64_t>(after) & mask) - (static_cast<uint64_t>(before) & mask));
}

class CounterTree {
 public:
  // Opens the counter whose descriptor is at that byte offset. Returns false if one of its words would lie
  // outside of the arena's memory, or would not be aligned.
  bool Open(const ArenaView& arena, uint32_t descriptor) {
    const uint64_t end = arena.bytes();
    if (descriptor % kDescriptorBytes != 0 || uint64_t{descriptor} + kDescriptorBytes > end) return false;
    descriptor_ = reinterpret_cast<Descriptor*>(arena.base() + descriptor);
    const uint64_t leaf = descriptor_->leaf;
    const uint64_t items = descriptor_->items;
    const uint64_t root = descriptor_->root;
    batch_ = descriptor_->batch;
    if (batch_ < 2 || (batch_ & (batch_ - 1)) != 0) return false;
    if (leaf % 8 != 0 || items % 8 != 0 || root % 8 != 0) return false;
    if (items + uint64_t{arena.item_lines()} * kCacheLine > end || root + 16 > end) return false;
    for (uint64_t index = 0; index <= arena.leaf_index(~0u); index++) {
      const uint64_t offset = arena.leaf_offset(static_cast<uint32_t>(index));
      if (offset % 8 != 0 || leaf + offset + 8 > end) return false;
    }
    arena_ = arena;
    leaf_of_cpu_0_ = arena.base() + leaf;
    items_ = arena.base() + items;
    root_ = reinterpret_cast<int64_t*>(arena.base() + root);
    return true;
  }

  // Whether the counter of that generation is not destroyed. Acquire: what is read of the counter afterwards
  // is at least as new as its generation.
  bool HasGeneration(uint32_t generation) const {
    return __atomic_load_n(&descriptor_->generation, __ATOMIC_ACQUIRE) == generation;
  }

  // Adds on a CPU's leaf, for any CPU number.
  void Add(uint32_t cpu, int64_t delta) {
    const uint32_t index = arena_.leaf_index(cpu);
    PERCPU_PAUSE(kCpuKnown);
    const int64_t before = FetchAddRelaxed(Leaf(index), delta);
    const int64_t after = WrappingAdd(before, delta);
    // If no bit from batch upwards has changed, nothing is carried.
    if (static_cast<uint64_t>(before ^ after) < batch_) [[likely]]
      return;
    PERCPU_PAUSE(kLeafAdded);
    CarryUp(index, CarryOf(before, after, batch_));
  }

  int64_t ApproximateSum() const {
    return WrappingAdd(LoadRelaxed(arena_.shape().levels == 0 ? Leaf(0) : root_), LoadRelaxed(root_ + 1));
  }

  int64_t PreciseSum() const { return WrappingAdd(SumOfLeaves(), LoadRelaxed(root_ + 1)); }

  int64_t LeafValue(uint32_t cpu) const { return LoadRelaxed(Leaf(arena_.leaf_index(cpu))); }

  // Makes the precise sum `value`. Only the bias changes, so that no concurrent add is lost.
  void Set(int64_t value) {
    const int64_t bias =
        static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(SumOfLeaves()));
    PERCPU_PAUSE(kLeavesSummed);
    __atomic_store_n(root_ + 1, bias, __ATOMIC_RELAXED);
  }

  // Zeroes everything. The caller owns the slot: relaxed, since no other thread uses it yet.
  void Clear() {
    for (uint32_t cpu = 0; cpu < arena_.shape().cpus; cpu++) __atomic_store_n(Leaf(cpu), 0, __ATOMIC_RELAXED);
    for (uint32_t line = 0; line < arena_.item_lines(); line++) {
      __atomic_store_n(reinterpret_cast<int64_t*>(items_ + line * kCacheLine), 0, __ATOMIC_RELAXED);
    }
    __atomic_store_n(root_, 0, __ATOMIC_RELAXED);
    __atomic_store_n(root_ + 1, 0, __ATOMIC_RELAXED);
  }

  // Pins the slot: its memory is not given to another counter, even if this one is destroyed. Returns false,
  // with nothing pinned, if the counter is not of that generation any more. Sequentially consistent: the
  // count is written before the generation is read. A thread that frees the slot changes the generation
  // first, and reads the count afterwards. At least one of the two sees the other's write.
  [[nodiscard]] bool Pin(uint32_t generation) {
    __atomic_fetch_add(&descriptor_->pins, 1, __ATOMIC_SEQ_CST);
    PERCPU_PAUSE(kPinCounted);
    if (__atomic_load_n(&descriptor_->generation, __ATOMIC_SEQ_CST) == generation) return true;
    Unpin();
    return false;
  }

  // Release: adds made under the pin come before the clearing by an allocator that finds the count at 0.
  void Unpin() { __atomic_fetch_sub(&descriptor_->pins, 1, __ATOMIC_RELEASE); }

 private:
  int64_t* Leaf(uint32_t index) const {
    return reinterpret_cast<int64_t*>(leaf_of_cpu_0_ + arena_.leaf_offset(index));
  }

  void CarryUp(uint32_t cpu, int64_t carry) {
    const uint32_t levels = arena_.shape().levels;
    if (levels == 0) return;
    for (uint32_t level = 0; level + 1 < levels; level++) {
      const Level& at = arena_.level_below_root(level);
      const uint64_t step = uint64_t{batch_} << at.shift;
      // A multiple of the step cannot change the item's low bits: the item is skipped.
      if ((static_cast<uint64_t>(carry) & (step - 1)) == 0) continue;
      auto* item = reinterpret_cast<int64_t*>(items_ + at.first_item + (cpu & at.item_mask) * kCacheLine);
      const int64_t before = FetchAddRelaxed(item, carry);
      carry = CarryOf(before, WrappingAdd(before, carry), step);
      if (carry == 0) return;
      PERCPU_PAUSE(kItemAdded);
    }
    FetchAddRelaxed(root_, carry);
  }

  int64_t SumOfLeaves() const {
    uint64_t sum = 0;
    for (uint32_t cpu = 0; cpu < arena_.shape().cpus; cpu++)
      sum += static_cast<uint64_t>(LoadRelaxed(Leaf(cpu)));
    return static_cast<int64_t>(sum);
  }

  ArenaView arena_;
  uint8_t* leaf_of_cpu_0_ = nullptr;
  uint8_t* items_ = nullptr;
  int64_t* root_ = nullptr;  // the bias is the word behind it
  uint32_t batch_ = 0;
  Descriptor* descriptor_ = nullptr;
};

}  // namespace percpu
