#include "proc/rss_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "proc/proc_text.h"

namespace percpu {

namespace {

// More than stat and statm ever hold, and all of status that matters: its memory lines come before the lists
// of CPUs and nodes that make it long on large machines.
constexpr size_t kTextBytes = 4096;

constexpr const char* kFileNames[] = {"stat",         "statm",         "status",
                                      "smaps_rollup", "oom_score_adj", "oom_score"};

constexpr int kReadOnly = O_RDONLY | O_CLOEXEC;

int OpenAt(int directory, const char* name, int flags) {
  int fd;
  do {
    fd = openat(directory, name, flags);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

// Returns the bytes read, or a negated errno.
ssize_t ReadText(int fd, char* text) {
  ssize_t length;
  do {
    length = pread(fd, text, kTextBytes, 0);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

// Returns a descriptor or a negated errno.
int OpenFile(int root_fd, uint32_t pid, ProcessFile file) {
  char path[32];
  if (pid == 0)
    snprintf(path, sizeof(path), "self/%s", kFileNames[file]);
  else
    snprintf(path, sizeof(path), "%u/%s", pid, kFileNames[file]);
  return OpenAt(root_fd, path, kReadOnly);
}

// Where one process's files are.
struct Source {
  int root_fd;
  uint32_t pid;
  const KeptDescriptors& kept;
};

// One file of one process, from the descriptor that is kept or one opened for it.
ssize_t ReadFile(const Source& source, ProcessFile file, char* text) {
  if (file < static_cast<int32_t>(kKeptFiles) && source.kept.fd[file] >= 0) {
    return ReadText(source.kept.fd[file], text);
  }
  const int fd = OpenFile(source.root_fd, source.pid, file);
  if (fd < 0) return fd;
  const ssize_t length = ReadText(fd, text);
  close(fd);
  return length;
}

int Fail(ReadFailure* failure, ProcessFile file, int error) {
  // A process that ends takes its directory with it, or answers so itself; in another tree its name may be a
  // file's.
  failure->error = error == ENOENT || error == ENOTDIR ? ESRCH : error;
  failure->file = file;
  return failure->error;
}

template <typename Parsed>
using Parser = bool (*)(const char* text, size_t length, Parsed* parsed);

template <typename Parsed>
int ReadParsed(const Source& source, ProcessFile file, Parser<Parsed> parse, Parsed* parsed,
               ReadFailure* failure) {
  char text[kTextBytes];
  const ssize_t length = ReadFile(source, file, text);
  if (length < 0) return Fail(failure, file, static_cast<int>(-length));
  return parse(text, static_cast<size_t>(length), parsed) ? 0 : Fail(failure, file, EBADMSG);
}

// The own process's kept files. Never closed: readers of other threads may be using them. -1: not opened yet.
int own_fd[kKeptFiles] = {-1, -1, -1};

// Acquire and release order nothing but the number itself: the kernel's side of a descriptor is not in memory
// that threads share. The thread that loses the race closes its own.
int OwnDescriptor(ProcessFile file) {
  const int known = __atomic_load_n(&own_fd[file], __ATOMIC_ACQUIRE);
  if (known >= 0) return known;
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/%s", kFileNames[file]);
  const int opened = OpenAt(AT_FDCWD, path, kReadOnly);
  if (opened < 0) return opened;
  int expected = -1;
  if (__atomic_compare_exchange_n(&own_fd[file], &expected, opened, false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    return opened;
  }
  close(opened);
  return expected;
}

// Forgets a descriptor that no longer leads where it should: somebody has closed all descriptors, and the
// number may belong to another file by now. It is not ours to close.
void ForgetOwnDescriptor(ProcessFile file, int fd) {
  __atomic_compare_exchange_n(&own_fd[file], &fd, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

}  // namespace

void KeptDescriptors::Close() {
  for (int& kept : fd) {
    if (kept >= 0) close(kept);
    kept = -1;
  }
}

namespace {

// stat comes last: rss_reader.h says why.
int ReadFiles(const Source& source, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  StatText stat;
  StatusText status;
  int64_t resident;
  if (int error = ReadParsed(source, kStatm, ParseStatm, &resident, failure)) return error;
  if (int error = ReadParsed(source, kStatus, ParseStatus, &status, failure)) return error;
  *row = {};
  row->resident_pages = static_cast<double>(resident);
  row->anon_kib = static_cast<double>(status.anon_kib);
  row->file_kib = static_cast<double>(status.file_kib);
  row->shmem_kib = static_cast<double>(status.shmem_kib);
  row->swap_kib = static_cast<double>(status.swap_kib);
  row->page_table_kib = static_cast<double>(status.page_table_kib);
  row->rollup_kib = NAN;
  int64_t value;
  if ((want & kWantRollup) != 0) {
    ReadFailure rollup;
    const int error = ReadParsed(source, kSmapsRollup, ParseRollup, &value, &rollup);
    if (IsOutOfFiles(error)) return Fail(failure, kSmapsRollup, error);
    row->rollup_kib = error == 0 ? static_cast<double>(value) : -error;
  }
  if ((want & kWantOom) != 0) {
    if (int error = ReadParsed(source, kOomScoreAdj, ParseInteger, &value, failure)) return error;
    row->oom_score_adj = static_cast<double>(value);
    if (int error = ReadParsed(source, kOomScore, ParseInteger, &value, failure)) return error;
    row->oom_score = static_cast<double>(value);
  }
  if (int error = ReadParsed(source, kStat, ParseStat, &stat, failure)) return error;
  row->pid = static_cast<double>(stat.pid);
  row->state = stat.state;
  row->kernel_thread = stat.kernel_thread;
  row->threads = static_cast<double>(stat.threads);
  row->start_ticks = static_cast<double>(stat.start_ticks);
  row->stat_rss_pages = static_cast<double>(stat.rss_pages);
  row->name_bytes = stat.name_bytes;
  memcpy(row->name, stat.name, stat.name_bytes);
  return 0;
}

}  // namespace

int ReadProcess(int root_fd, uint32_t pid, const KeptDescriptors& kept, uint32_t want, ProcessRow* row,
                ReadFailure* failure) {
  if (kept.open()) return ReadFiles({root_fd, pid, kept}, want, row, failure);
  KeptDescriptors only_stat;
  only_stat.fd[kStat] = OpenFile(root_fd, pid, kStat);
  if (only_stat.fd[kStat] < 0) return Fail(failure, kStat, -only_stat.fd[kStat]);
  const int error = ReadFiles({root_fd, pid, only_stat}, want, row, failure);
  only_stat.Close();
  return error;
}

int OpenKept(int root_fd, uint32_t pid, KeptDescriptors* kept) {
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    const int fd = OpenFile(root_fd, pid, static_cast<ProcessFile>(file));
    if (fd < 0) {
      kept->Close();
      return -fd;
    }
    kept->fd[file] = fd;
  }
  return 0;
}

int ReadProcessAt(const char* root, uint32_t pid, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  const int root_fd = OpenAt(AT_FDCWD, root, kReadOnly | O_DIRECTORY);
  if (root_fd < 0) {
    *failure = {-root_fd, kRoot};
    return failure->error;
  }
  const int error = ReadProcess(root_fd, pid, KeptDescriptors(), want, row, failure);
  close(root_fd);
  return error;
}

int ReadOwnProcess(uint32_t want, ProcessRow* row, ReadFailure* failure) {
  KeptDescriptors own;
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    own.fd[file] = OwnDescriptor(static_cast<ProcessFile>(file));
    if (own.fd[file] < 0) return ReadProcessAt("/proc", 0, want, row, failure);
  }
  if (want == 0 && ReadProcess(-1, 0, own, 0, row, failure) == 0) return 0;
  for (uint32_t file = 0; want == 0 && file < kKeptFiles; file++) {
    ForgetOwnDescriptor(static_cast<ProcessFile>(file), own.fd[file]);
  }
  return ReadProcessAt("/proc", 0, want, row, failure);
}

int64_t OwnResidentPages() {
  int error = EIO;
  for (int attempt = 0; attempt < 2; attempt++) {
    const int fd = OwnDescriptor(kStatm);
    if (fd < 0) return fd;
    char text[kTextBytes];
    const ssize_t length = ReadText(fd, text);
    int64_t resident;
    if (length >= 0 && ParseStatm(text, static_cast<size_t>(length), &resident)) return resident;
    error = length < 0 ? static_cast<int>(-length) : EBADMSG;
    ForgetOwnDescriptor(kStatm, fd);
  }
  return -error;
}

}  // namespace percpu
