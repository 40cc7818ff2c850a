// Lists the processes of a proc tree, or the threads of a process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace percpu {

struct PidList {
  uint32_t* pids = nullptr;
  size_t count = 0;
  size_t capacity = 0;

  PidList() = default;
  PidList(const PidList&) = delete;
  PidList& operator=(const PidList&) = delete;
  ~PidList();

  bool Add(uint32_t pid);
};

// Adds the pids in the directory `path`, relative to `directory_fd`, and sorts the list. Returns 0 or an
// errno.
int ListPids(int directory_fd, const char* path, PidList* list);

}  // namespace percpu
