// An arena's memory, in the layout that lib/counter/layout.ts describes. test/native/schema.test.ts compares
// fields and constants. The memory belongs to JavaScript: a view is valid only while a reference to the typed
// array that it was opened from exists.
#pragma once

#include <cstddef>
#include <cstdint>

#include "counter/tree_shape.h"

namespace percpu {

inline constexpr uint32_t kArenaMagic = 0x55504350;
inline constexpr uint32_t kLayoutVersion = 2;
inline constexpr uint32_t kLeafOffsets = 5120;
inline constexpr uint32_t kCacheLine = 64;
inline constexpr uint32_t kDescriptorBytes = 32;

// The first words of the header.
struct ArenaHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t cpus;
  uint32_t capacity;
  uint32_t order;
  uint32_t levels;
  uint32_t items;
  uint32_t leaf_offset_mask;
};

// One counter's descriptor. Any thread may change `generation` with `owner` (one 64-bit word), `pins` and
// `quarantined`, always atomically.
struct Descriptor {
  uint32_t generation;
  int32_t owner;
  uint32_t leaf;
  uint32_t items;
  uint32_t root;
  int32_t pins;
  int32_t quarantined;
  uint32_t batch;
};
static_assert(sizeof(Descriptor) == kDescriptorBytes);

// A level of items below the root.
struct Level {
  uint32_t first_item;  // byte offset among a counter's items
  uint32_t item_mask;   // items of the level, minus one
  uint32_t shift;       // log2(step of the level / batch)
};

class ArenaView {
 public:
  // Opens the memory [base, base + bytes). Returns false if it does not hold an arena of this layout. Reads
  // nothing outside of the range, whatever the memory contains.
  bool Open(uint8_t* base, size_t bytes) {
    if (bytes < kLeafOffsets) return false;
    const auto* header = reinterpret_cast<const ArenaHeader*>(base);
    if (header->magic != kArenaMagic || header->version != kLayoutVersion) return false;
    if (header->cpus < 1 || header->cpus > kMaxCpus) return false;
    shape_ = MakeTreeShape(header->cpus);
    leaf_offset_mask_ = header->leaf_offset_mask;
    if (leaf_offset_mask_ < shape_.cpus - 1 || leaf_offset_mask_ >= kMaxCpus) return false;
    if (bytes < kLeafOffsets + 4 * (uint64_t{leaf_offset_mask_} + 1)) return false;
    base_ = base;
    bytes_ = bytes;
    leaf_offsets_ = reinterpret_cast<const uint32_t*>(base + kLeafOffsets);
    uint32_t first_item = 0;
    uint32_t below = 0;
    for (uint32_t level = 0; level + 1 < shape_.levels; level++) {
      below += shape_.arity_orders[level];
      const uint32_t items = 1u << (shape_.order - below);
      levels_below_root_[level] = {
          .first_item = first_item * kCacheLine, .item_mask = items - 1, .shift = below};
      first_item += items;
    }
    return true;
  }

  uint8_t* base() const { return base_; }
  size_t bytes() const { return bytes_; }
  const TreeShape& shape() const { return shape_; }
  const Level& level_below_root(uint32_t index) const { return levels_below_root_[index]; }
  // Items of a counter below the root.
  uint32_t item_lines() const { return shape_.items > 0 ? shape_.items - 1 : 0; }

  // Every CPU number has a leaf. Numbers beyond the shape share the leaves of lower ones.
  uint32_t leaf_index(uint32_t cpu) const { return cpu & leaf_offset_mask_; }
  uint32_t leaf_offset(uint32_t index) const { return leaf_offsets_[index]; }

 private:
  uint8_t* base_ = nullptr;
  size_t bytes_ = 0;
  const uint32_t* leaf_offsets_ = nullptr;
  uint32_t leaf_offset_mask_ = 0;
  TreeShape shape_;
  Level levels_below_root_[kMaxLevels] = {};
};

}  // namespace percpu
