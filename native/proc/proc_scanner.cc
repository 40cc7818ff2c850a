#include "proc/proc_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace percpu {

namespace {

// Pids as they are listed: ascending order is made afterwards, since a fake tree's directory has none.
struct PidList {
  uint32_t* pids = nullptr;
  size_t count = 0;
  size_t capacity = 0;

  PidList() = default;
  PidList(const PidList&) = delete;
  PidList& operator=(const PidList&) = delete;
  ~PidList() { free(pids); }

  bool Add(uint32_t pid) {
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
};

// A directory name that is a pid: digits only, no leading zero, at most 2^31 - 1. Returns 0 for any other.
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

// Returns 0 or an errno.
int ListPids(int root_fd, PidList* list) {
  // closedir() closes the descriptor it was given, and the root is needed after it.
  const int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
  if (error == 0) qsort(list->pids, list->count, sizeof(uint32_t), ComparePids);
  return error;
}

uint32_t Hash(uint32_t pid) {
  return pid * 2654435769u;
}

}  // namespace

ProcessRows::~ProcessRows() {
  free(rows);
}

ProcessRow* ProcessRows::Next() {
  if (count == capacity) {
    const size_t larger = capacity == 0 ? 256 : 2 * capacity;
    auto* grown = static_cast<ProcessRow*>(realloc(rows, larger * sizeof(ProcessRow)));
    if (grown == nullptr) return nullptr;
    rows = grown;
    capacity = larger;
  }
  return &rows[count];
}

KeptTable::~KeptTable() {
  Clear();
  free(entries_);
}

// Where the pid is, or would be: there always is a free entry, since at most half are used.
KeptTable::Entry* KeptTable::Slot(uint32_t pid) const {
  uint32_t at = Hash(pid) & (capacity_ - 1);
  while (entries_[at].pid != 0 && entries_[at].pid != pid) at = (at + 1) & (capacity_ - 1);
  return &entries_[at];
}

KeptTable::Entry* KeptTable::Find(uint32_t pid) {
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
  *entry = {pid, 0, descriptors};
  used_++;
  return entry;
}

void KeptTable::Remove(Entry* entry) {
  entry->descriptors.Close();
  entry->pid = 0;
  used_--;
  // What follows without a gap may have been pushed on by this one: put each where it belongs now.
  uint32_t at = static_cast<uint32_t>(entry - entries_);
  for (at = (at + 1) & (capacity_ - 1); entries_[at].pid != 0; at = (at + 1) & (capacity_ - 1)) {
    const Entry moved = entries_[at];
    entries_[at].pid = 0;
    *Slot(moved.pid) = moved;
  }
}

void KeptTable::RemoveAllBut(uint32_t scan) {
  // Removing moves others, also into what was looked at: again until a round finds nothing.
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
    if (entries_[i].pid != 0) entries_[i].descriptors.Close();
    entries_[i].pid = 0;
  }
  used_ = 0;
}

ProcScanner::~ProcScanner() {
  free(root_);
}

bool ProcScanner::Open(const char* root, uint32_t max_open_files) {
  const size_t bytes = strlen(root) + 1;
  root_ = static_cast<char*>(malloc(bytes));
  if (root_ == nullptr) return false;
  memcpy(root_, root, bytes);
  max_open_files_ = max_open_files;
  return true;
}

int ProcScanner::Scan(const uint32_t* pids, size_t pid_count, uint32_t want, const int32_t* const (&stop)[2],
                      ProcessRows* rows) {
  int root_fd = open(root_, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root_fd < 0 && (errno == EMFILE || errno == ENFILE)) {
    kept_.Clear();
    root_fd = open(root_, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (root_fd < 0) return errno;
  PidList listed;
  int error = pids == nullptr ? ListPids(root_fd, &listed) : 0;
  if (pids == nullptr) {
    pids = listed.pids;
    pid_count = listed.count;
  }
  scan_++;
  for (size_t i = 0; error == 0 && i < pid_count; i++) {
    // Relaxed: the word says to stop, and nothing else in memory goes with it. JavaScript's threads and the
    // environment's clean-up write it.
    if (__atomic_load_n(stop[0], __ATOMIC_RELAXED) != 0 || __atomic_load_n(stop[1], __ATOMIC_RELAXED) != 0) {
      error = ECANCELED;
      break;
    }
    ProcessRow* row = rows->Next();
    if (row == nullptr) {
      error = ENOMEM;
      break;
    }
    ReadInto(root_fd, pids[i], want, rows, row);
  }
  // After a scan that was broken off nobody knows who is gone.
  if (error == 0) kept_.RemoveAllBut(scan_);
  close(root_fd);
  return error;
}

void ProcScanner::ReadInto(int root_fd, uint32_t pid, uint32_t want, ProcessRows* rows, ProcessRow* row) {
  ReadFailure failure;
  KeptTable::Entry* entry = kept_.Find(pid);
  if (entry != nullptr) {
    // The directory may by now be another process's: what is read through it must not be mixed with what is
    // kept.
    if (want == 0 && ReadProcess(-1, entry->descriptors, 0, row, &failure) == 0) {
      entry->seen_in_scan = scan_;
      rows->count++;
      return;
    }
    // With more files wanted all are read through the directory; kept ones stay for the next scan that needs
    // none.
    if (want == 0) kept_.Remove(entry);
  }
  int process_fd = OpenProcess(root_fd, pid);
  if (process_fd == -EMFILE || process_fd == -ENFILE) {
    kept_.Clear();
    process_fd = OpenProcess(root_fd, pid);
  }
  if (process_fd < 0) return;
  KeptDescriptors fresh;
  const bool keep = want == 0 && MayKeepMore() && OpenKept(process_fd, &fresh) == 0;
  const bool ok = ReadProcess(process_fd, fresh, want, row, &failure) == 0;
  close(process_fd);
  if (keep) {
    entry = ok ? kept_.Insert(pid, fresh) : nullptr;
    if (entry != nullptr)
      entry->seen_in_scan = scan_;
    else
      fresh.Close();
  }
  if (ok) rows->count++;
}

}  // namespace percpu
