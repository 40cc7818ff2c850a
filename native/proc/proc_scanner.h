// Reads many processes in one go, again and again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proc/rss_reader.h"

namespace percpu {

// Rows in one memory; no allocation per process.
struct ProcessRows {
  ProcessRow* rows = nullptr;
  size_t count = 0;
  size_t capacity = 0;

  ProcessRows() = default;
  ProcessRows(const ProcessRows&) = delete;
  ProcessRows& operator=(const ProcessRows&) = delete;
  ~ProcessRows();

  // Room for so many rows in all. Returns false where memory is out.
  [[nodiscard]] bool Reserve(size_t rows_in_all);
};

// Files kept open, by pid: an open-addressed table. Descriptors stay bound to the process they were opened
// for; reading them fails with ESRCH once it has ended, whoever has its pid then.
class KeptTable {
 public:
  KeptTable() = default;
  KeptTable(const KeptTable&) = delete;
  KeptTable& operator=(const KeptTable&) = delete;
  ~KeptTable();

  struct Entry {
    uint32_t pid;  // 0: free
    uint32_t seen_in_scan;
    uint32_t lent_in_scan;  // `last` has gone to a job
    KeptDescriptors descriptors;
    LastReading* last;  // nullptr before it is of use, and where memory is out
  };

  // Descriptors that are open.
  uint32_t files() const { return files_; }
  Entry* Find(uint32_t pid) const;
  // Takes over open descriptors. Returns nullptr, with nothing taken, where memory is out.
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

// Reads with some threads of its own besides the calling one. Not for two callers at a time.
class ProcScanner {
 public:
  ~ProcScanner();

  // Copies `root`. Returns false where memory is out.
  bool Open(const char* root, uint32_t max_open_files);

  // Reads the given processes in their order, or with `pids` nullptr every one by ascending pid. A process
  // that ends meanwhile, or that cannot be read, is left out. Ends soon with ECANCELED once one of the words
  // is not 0. Returns 0 or an errno: the root cannot be listed, or memory or descriptors are out, since a
  // process left out for that would look like one that is gone.
  int Scan(const uint32_t* pids, size_t pid_count, uint32_t want, const int32_t* const (&stop)[2],
           ProcessRows* rows);

  uint32_t open_files() const { return kept_.files(); }

  // Gives back what is kept.
  void CloseFiles() { kept_.Clear(); }

 private:
  struct Jobs;

  int ScanRoot(const ProcRoot& root, const uint32_t* pids, size_t pid_count, uint32_t want,
               const int32_t* const (&stop)[2], ProcessRows* rows);
  void Prepare(Jobs* jobs);
  void KeepAndForget(const Jobs& jobs);
  int ReadAgainWithRoom(Jobs* jobs);

  char* root_ = nullptr;
  uint32_t max_open_files_ = 0;
  uint32_t scan_ = 0;
  KeptTable kept_;
};

}  // namespace percpu
