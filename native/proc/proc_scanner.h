// Reads many processes at a time, scan after scan.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proc/kept_table.h"
#include "proc/rss_reader.h"

namespace percpu {

// The rows of a scan, in one allocation.
struct ProcessRows {
  ProcessRow* rows = nullptr;
  size_t count = 0;
  size_t capacity = 0;

  ProcessRows() = default;
  ProcessRows(const ProcessRows&) = delete;
  ProcessRows& operator=(const ProcessRows&) = delete;
  ~ProcessRows();

  // Makes room for so many rows in all. Returns false if there is no memory.
  [[nodiscard]] bool Reserve(size_t rows_in_all);
};

// Reads on the calling thread and on some threads of its own. Only one caller may use it at a time.
class ProcScanner {
 public:
  ~ProcScanner();

  // Copies `root`. Returns false if there is no memory.
  bool Open(const char* root, uint32_t max_open_files);

  // Reads the given processes in their order; with `pids` nullptr, every process by ascending pid. Leaves out
  // a process that has ended or that cannot be read. Returns 0 or an errno. ECANCELED: one of the words of
  // `stop` is no longer 0. Other errors: the root cannot be listed, or memory or descriptors are out. A lack
  // of descriptors fails the whole scan, because a process left out for it would look like one that has
  // ended.
  int Scan(const uint32_t* pids, size_t pid_count, uint32_t want, const int32_t* const (&stop)[2],
           ProcessRows* rows);

  uint32_t open_files() const { return kept_.files(); }

  // Closes what is kept.
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
