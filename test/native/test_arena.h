// An arena with one counter, laid out by the test itself: leaves one stride apart, then the descriptor, then
// the items.
#pragma once

#include <cstdlib>
#include <cstring>

#include "check.h"
#include "counter/counter_tree.h"

class TestArena {
 public:
  TestArena(uint32_t cpus, uint32_t batch) {
    const percpu::TreeShape shape = percpu::MakeTreeShape(cpus);
    const uint32_t entries = shape.order < 6 ? 64 : 1u << shape.order;
    const uint32_t leaves = percpu::kLeafOffsets + 4 * entries;
    constexpr uint32_t kStride = 3 * percpu::kCacheLine;
    descriptor_ = leaves + cpus * kStride;
    const uint32_t items = descriptor_ + percpu::kCacheLine;
    const uint32_t lines = shape.items > 0 ? shape.items : 1;
    bytes_ = items + lines * percpu::kCacheLine;
    base_ = static_cast<uint8_t*>(aligned_alloc(percpu::kCacheLine, (bytes_ + 63) / 64 * 64));
    CHECK(base_ != nullptr);
    memset(base_, 0, bytes_);
    auto* header = reinterpret_cast<percpu::ArenaHeader*>(base_);
    *header = {percpu::kArenaMagic, percpu::kLayoutVersion, cpus,        1,
               shape.order,         shape.levels,           shape.items, entries - 1};
    auto* offsets = reinterpret_cast<uint32_t*>(base_ + percpu::kLeafOffsets);
    for (uint32_t entry = 0; entry < entries; entry++) offsets[entry] = entry % cpus * kStride;
    auto* descriptor = reinterpret_cast<percpu::Descriptor*>(base_ + descriptor_);
    *descriptor = {1, 1, leaves, items, items + (lines - 1) * percpu::kCacheLine, 0, 0, batch};
    CHECK(arena_.Open(base_, bytes_));
    CHECK(counter_.Open(arena_, descriptor_));
  }
  ~TestArena() { free(base_); }
  TestArena(const TestArena&) = delete;
  TestArena& operator=(const TestArena&) = delete;

  uint8_t* base() { return base_; }
  size_t bytes() const { return bytes_; }
  uint32_t descriptor_offset() const { return descriptor_; }
  percpu::ArenaHeader* header() { return reinterpret_cast<percpu::ArenaHeader*>(base_); }
  percpu::Descriptor* descriptor() { return reinterpret_cast<percpu::Descriptor*>(base_ + descriptor_); }
  percpu::CounterTree& counter() { return counter_; }

 private:
  uint8_t* base_;
  size_t bytes_;
  uint32_t descriptor_;
  percpu::ArenaView arena_;
  percpu::CounterTree counter_;
};
