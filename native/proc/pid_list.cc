#include "proc/pid_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>

namespace percpu {

namespace {

// Returns the pid that a directory is named after: digits only, no leading zero, at most 2^31 - 1. Returns 0
// for any other name.
uint32_t PidOf(const char* name) {
  if (name[0] < '1' || name[0] > '9') return 0;
  uint64_t pid = 0;
  for (; *name != '\0'; name++) {
    if (*name < '0' || *name > '9') return 0;
    pid = pid * 10 + static_cast<uint64_t>(*name - '0');
    if (pid > 0x7fffffff) return 0;
  }
  return static_cast<uint32_t>(pid);
}

int ComparePids(const void* a, const void* b) {
  const uint32_t left = *static_cast<const uint32_t*>(a);
  const uint32_t right = *static_cast<const uint32_t*>(b);
  return left < right ? -1 : left > right;
}

}  // namespace

PidList::~PidList() {
  free(pids);
}

bool PidList::Add(uint32_t pid) {
  if (count == capacity) {
    const size_t larger = capacity == 0 ? 1024 : 2 * capacity;
    auto* grown = static_cast<uint32_t*>(realloc(pids, larger * sizeof(uint32_t)));
    if (grown == nullptr) return false;
    pids = grown;
    capacity = larger;
  }
  pids[count++] = pid;
  return true;
}

int ListPids(int directory_fd, const char* path, PidList* list) {
  const int fd = openat(directory_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  DIR* directory = fdopendir(fd);
  if (directory == nullptr) {
    const int error = errno;
    close(fd);
    return error;
  }
  int error = 0;
  while (error == 0) {
    errno = 0;
    const dirent* entry = readdir(directory);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const uint32_t pid = PidOf(entry->d_name);
    if (pid != 0 && !list->Add(pid)) error = ENOMEM;
  }
  closedir(directory);
  // A directory outside of a procfs has no order. qsort() does not take nullptr, which an empty list has.
  if (error == 0 && list->count > 0) qsort(list->pids, list->count, sizeof(uint32_t), ComparePids);
  return error;
}

}  // namespace percpu
