// The files that a scanner keeps open, by pid: an open-addressed hash table.
#pragma once

#include <cstdint>

#include "proc/rss_reader.h"

namespace percpu {

// A descriptor stays bound to the process that it was opened for. Once that process has ended, reading fails
// with ESRCH, even if another process has its pid.
class KeptTable {
 public:
  KeptTable() = default;
  KeptTable(const KeptTable&) = delete;
  KeptTable& operator=(const KeptTable&) = delete;
  ~KeptTable();

  struct Entry {
    uint32_t pid;  // 0: free
    uint32_t seen_in_scan;
    uint32_t lent_in_scan;  // the scan in which a job last got `last`
    KeptDescriptors descriptors;
    LastReading* last;  // nullptr: never used, or there was no memory for it
  };

  // Descriptors that are open.
  uint32_t files() const { return files_; }
  Entry* Find(uint32_t pid) const;
  // Takes over open descriptors. Returns nullptr, with nothing taken, if there is no memory.
  Entry* Insert(uint32_t pid, const KeptDescriptors& descriptors);
  void Remove(Entry* entry);
  // Closes what was not seen in that scan.
  void RemoveAllBut(uint32_t scan);
  void Clear();

 private:
  Entry* Slot(uint32_t pid) const;
  bool Grow();
  void Release(Entry* entry);

  Entry* entries_ = nullptr;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t used_ = 0;      // at most half of the capacity
  uint32_t files_ = 0;
};

}  // namespace percpu
