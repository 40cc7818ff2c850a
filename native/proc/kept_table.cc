#include "proc/kept_table.h"

#include <cstdlib>

namespace percpu {

namespace {

// Multiplicative hashing: 2^32 divided by the golden ratio.
uint32_t Hash(uint32_t pid) {
  return pid * 2654435769u;
}

}  // namespace

KeptTable::~KeptTable() {
  Clear();
  free(entries_);
}

// Returns the pid's entry, or the free one where it belongs. The search ends, since half of the entries are
// free.
KeptTable::Entry* KeptTable::Slot(uint32_t pid) const {
  uint32_t at = Hash(pid) & (capacity_ - 1);
  while (entries_[at].pid != 0 && entries_[at].pid != pid) at = (at + 1) & (capacity_ - 1);
  return &entries_[at];
}

KeptTable::Entry* KeptTable::Find(uint32_t pid) const {
  if (capacity_ == 0) return nullptr;
  Entry* entry = Slot(pid);
  return entry->pid == pid ? entry : nullptr;
}

bool KeptTable::Grow() {
  const uint32_t larger = capacity_ == 0 ? 256 : 2 * capacity_;
  auto* entries = static_cast<Entry*>(calloc(larger, sizeof(Entry)));
  if (entries == nullptr) return false;
  Entry* old = entries_;
  const uint32_t old_capacity = capacity_;
  entries_ = entries;
  capacity_ = larger;
  for (uint32_t i = 0; i < old_capacity; i++) {
    if (old[i].pid != 0) *Slot(old[i].pid) = old[i];
  }
  free(old);
  return true;
}

KeptTable::Entry* KeptTable::Insert(uint32_t pid, const KeptDescriptors& descriptors) {
  if (2 * (used_ + 1) > capacity_ && !Grow()) return nullptr;
  Entry* entry = Slot(pid);
  *entry = {.pid = pid, .seen_in_scan = 0, .lent_in_scan = 0, .descriptors = descriptors, .last = nullptr};
  used_++;
  files_ += descriptors.count();
  return entry;
}

void KeptTable::Release(Entry* entry) {
  files_ -= entry->descriptors.count();
  used_--;
  entry->descriptors.Close();
  delete entry->last;
  entry->pid = 0;
}

void KeptTable::Remove(Entry* entry) {
  Release(entry);
  // The entries up to the next free one may stand further back than they belong. Each is put in again.
  uint32_t at = static_cast<uint32_t>(entry - entries_);
  for (at = (at + 1) & (capacity_ - 1); entries_[at].pid != 0; at = (at + 1) & (capacity_ - 1)) {
    const Entry moved = entries_[at];
    entries_[at].pid = 0;
    *Slot(moved.pid) = moved;
  }
}

void KeptTable::RemoveAllBut(uint32_t scan) {
  // Remove() may move an entry to a place that the loop has passed. The last round removes nothing.
  for (bool removed = true; removed;) {
    removed = false;
    for (uint32_t i = 0; i < capacity_; i++) {
      if (entries_[i].pid == 0 || entries_[i].seen_in_scan == scan) continue;
      Remove(&entries_[i]);
      removed = true;
    }
  }
}

void KeptTable::Clear() {
  for (uint32_t i = 0; i < capacity_; i++) {
    if (entries_[i].pid != 0) Release(&entries_[i]);
  }
}

}  // namespace percpu
