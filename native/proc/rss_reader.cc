#include "proc/rss_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "proc/pid_list.h"
#include "proc/proc_text.h"

namespace percpu {

namespace {

// More than stat and statm ever hold, and all of status that matters: its memory lines come before the lists
// of CPUs and nodes that make it long on large machines.
constexpr size_t kTextBytes = 4096;

constexpr const char* kFileNames[] = {"stat",         "statm",         "status",
                                      "smaps_rollup", "oom_score_adj", "oom_score"};

constexpr int kReadOnly = O_RDONLY | O_CLOEXEC;

// Neither waits for a FIFO's writer or a lease's holder, nor follows a link, nor makes a terminal this
// process's.
constexpr int kUntrusted = kReadOnly | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;

int OpenAt(int directory, const char* name, int flags) {
  int fd;
  do {
    fd = openat(directory, name, flags);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

bool IsRegular(int fd) {
  struct stat status;
  // Not fstat(): glibc 2.28, the oldest that binaries are made for, has it under another name. Where long has
  // 64 bits the kernel fills the C library's own struct stat.
  static_assert(sizeof(long) == 8);
  return syscall(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Opens a file of a tree that anybody may have made. Returns a descriptor or a negated errno: EBADMSG for
// what is no regular file.
int OpenUntrusted(int directory, const char* name) {
  const int fd = OpenAt(directory, name, kUntrusted);
  // A link; a socket, or a device without a driver.
  if (fd == -ELOOP || fd == -ENXIO || fd == -ENODEV) return -EBADMSG;
  if (fd < 0 || IsRegular(fd)) return fd;
  close(fd);
  return -EBADMSG;
}

// Returns the bytes read, or a negated errno.
ssize_t ReadText(int fd, char* text, size_t room = kTextBytes) {
  ssize_t length;
  do {
    length = pread(fd, text, room, 0);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

// Where one process's files are, or one of its threads', and what they said before, if that is known.
struct Source {
  const ProcRoot& root;
  uint32_t pid;
  uint32_t tid;  // 0: the process's own
  const KeptDescriptors& kept;
  LastReading* last;
};

// The directory of a process in its proc tree, and below it; 0 is the calling process.
struct ProcessPath {
  char text[64];

  ProcessPath(uint32_t pid, uint32_t tid, const char* name) {
    char process[16] = "self";
    if (pid != 0) snprintf(process, sizeof(process), "%u", pid);
    if (tid == 0)
      snprintf(text, sizeof(text), "%s/%s", process, name);
    else
      snprintf(text, sizeof(text), "%s/task/%u/%s", process, tid, name);
  }
};

// Returns a descriptor or a negated errno.
int OpenByName(const ProcRoot& root, uint32_t pid, uint32_t tid, const char* name) {
  const ProcessPath path(pid, tid, name);
  return root.own ? OpenAt(root.fd, path.text, kReadOnly) : OpenUntrusted(root.fd, path.text);
}

int OpenFile(const ProcRoot& root, uint32_t pid, ProcessFile file) {
  return OpenByName(root, pid, 0, kFileNames[file]);
}

// One file of one process, from the descriptor that is kept or one opened for it.
ssize_t ReadFile(const Source& source, ProcessFile file, char* text) {
  if (file < static_cast<int32_t>(kKeptFiles) && source.kept.fd[file] >= 0) {
    return ReadText(source.kept.fd[file], text);
  }
  const int fd = OpenByName(source.root, source.pid, source.tid, kFileNames[file]);
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

// The first thread's stat is the process's but for times and faults, which are summed over all threads there
// and of no interest here.
int OpenOwn(ProcessFile file) {
  char path[64];
  char pid[16];  // as this mount of /proc numbers it
  const ssize_t length = file == kStat ? readlink("/proc/self", pid, sizeof(pid)) : 0;
  if (length > 0 && length < static_cast<ssize_t>(sizeof(pid))) {
    snprintf(path, sizeof(path), "/proc/self/task/%.*s/stat", static_cast<int>(length), pid);
  } else {
    snprintf(path, sizeof(path), "/proc/self/%s", kFileNames[file]);
  }
  return OpenAt(AT_FDCWD, path, kReadOnly);
}

// Acquire and release order nothing but the number itself: the kernel's side of a descriptor is not in memory
// that threads share. The thread that loses the race closes its own.
int OwnDescriptor(ProcessFile file) {
  const int known = __atomic_load_n(&own_fd[file], __ATOMIC_ACQUIRE);
  if (known >= 0) return known;
  const int opened = OpenOwn(file);
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

uint32_t KeptDescriptors::count() const {
  return open() ? kKeptFiles + (schedstat >= 0) : 0;
}

void KeptDescriptors::Close() {
  for (int& kept : fd) {
    if (kept >= 0) close(kept);
    kept = -1;
  }
  if (schedstat >= 0) close(schedstat);
  schedstat = -1;
}

namespace {

// Readings of a process that never runs for which one of its files may stand, at the most.
constexpr uint32_t kMostUses = 32;

// Adds what schedstat says to statm's text. Returns the bytes of both; 0 where that shows nothing: kernels
// without these figures say "0 0 0".
uint32_t AddSchedstat(int schedstat, char (&text)[kTextBytes], size_t statm_bytes) {
  constexpr size_t kMost = sizeof(LastReading::evidence);
  if (statm_bytes >= kMost) return 0;
  char* end = text + statm_bytes;
  const ssize_t length = ReadText(schedstat, end, kTextBytes - statm_bytes);
  if (length <= 0 || *end == '0') return 0;
  const size_t bytes = statm_bytes + static_cast<size_t>(length);
  return bytes <= kMost ? static_cast<uint32_t>(bytes) : 0;
}

// Asleep, stopped or idle, in one thread. 'D' may be a parent inside vfork, whose child changes its memory.
bool RestsAlone(const StatText& stat) {
  return stat.threads == 1 && memchr("SITt", stat.state, 4) != nullptr;
}

// Whether the files would say what they said; `row` is that then.
bool UseLast(LastReading* last, const char* evidence, uint32_t evidence_bytes, ProcessRow* row) {
  if (last->uses_left == 0 || evidence_bytes != last->evidence_bytes ||
      memcmp(evidence, last->evidence, evidence_bytes) != 0) {
    last->uses_left = 0;
    return false;
  }
  last->uses_left--;
  *row = last->row;
  return true;
}

void Remember(LastReading* last, const char* evidence, uint32_t evidence_bytes, const ProcessRow& row) {
  memcpy(last->evidence, evidence, evidence_bytes);
  last->evidence_bytes = evidence_bytes;
  last->row = row;
  // Not all at a time in processes that were first read together.
  last->uses_left = kMostUses / 2 + static_cast<uint32_t>(row.pid) % (kMostUses / 2);
}

// stat comes last: rss_reader.h says why.
int ReadFiles(const Source& source, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  char statm[kTextBytes];
  int64_t resident;
  const ssize_t length = ReadFile(source, kStatm, statm);
  if (length < 0) return Fail(failure, kStatm, static_cast<int>(-length));
  if (!ParseStatm(statm, static_cast<size_t>(length), &resident)) return Fail(failure, kStatm, EBADMSG);
  uint32_t evidence_bytes = 0;
  if (source.last != nullptr) {
    evidence_bytes = AddSchedstat(source.kept.schedstat, statm, static_cast<size_t>(length));
    if (UseLast(source.last, statm, evidence_bytes, row)) return 0;
  }
  StatText stat;
  StatusText status;
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
  if (evidence_bytes > 0 && RestsAlone(stat)) Remember(source.last, statm, evidence_bytes, *row);
  return 0;
}

// The first thread may end before the others (pthread_exit(3)).
bool HasOnlyOtherThreads(const ProcessRow& row) {
  return row.state == 'Z' && row.threads > 1;
}

// The first thread's files say that there is no memory then, and those of any other what there is.
int ReadOtherThread(const Source& process, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  const KeptDescriptors none_kept;
  PidList threads;
  const int error = ListPids(process.root.fd, ProcessPath(process.pid, 0, "task").text, &threads);
  if (IsOutOfFiles(error)) return Fail(failure, kStat, error);
  for (size_t i = 0; error == 0 && i < threads.count; i++) {
    if (threads.pids[i] == row->pid) continue;
    ProcessRow seen;
    ReadFailure ended;
    const Source thread = {process.root, process.pid, threads.pids[i], none_kept, nullptr};
    const int failed = ReadFiles(thread, want & kWantRollup, &seen, &ended);
    if (IsOutOfFiles(failed)) return Fail(failure, ended.file, failed);
    if (failed != 0 || seen.resident_pages == 0) continue;
    // Nobody else has got the pid meanwhile.
    StatText stat;
    if (int gone = ReadParsed(process, kStat, ParseStat, &stat, failure)) return gone;
    seen.pid = row->pid;
    seen.start_ticks = row->start_ticks;
    seen.oom_score_adj = row->oom_score_adj;
    seen.oom_score = row->oom_score;
    seen.name_bytes = row->name_bytes;
    memcpy(seen.name, row->name, sizeof(seen.name));
    *row = seen;
    return 0;
  }
  return 0;
}

int ReadWhole(const Source& source, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  if (int error = ReadFiles(source, want, row, failure)) return error;
  return HasOnlyOtherThreads(*row) ? ReadOtherThread(source, want, row, failure) : 0;
}

}  // namespace

void ProcRoot::Close() {
  if (fd >= 0) close(fd);
  fd = -1;
}

int OpenRoot(const char* path, ProcRoot* root) {
  const int fd = OpenAt(AT_FDCWD, path, kReadOnly | O_DIRECTORY);
  if (fd < 0) return -fd;
  constexpr long kProcSuperMagic = 0x9fa0;  // statfs(2); musl comes without the kernel's headers
  struct statfs system;
  const bool procfs = fstatfs(fd, &system) == 0 && static_cast<long>(system.f_type) == kProcSuperMagic;
  *root = {fd, procfs, procfs && strcmp(path, "/proc") == 0};
  return 0;
}

int ReadProcess(const ProcRoot& root, uint32_t pid, const KeptDescriptors& kept, LastReading* last,
                uint32_t want, ProcessRow* row, ReadFailure* failure) {
  // Files found by the pid are another process's, perhaps, unless stat is read after them.
  if (kept.schedstat < 0 || want != 0) last = nullptr;
  if (kept.open()) return ReadWhole({root, pid, 0, kept, last}, want, row, failure);
  KeptDescriptors only_stat;
  only_stat.fd[kStat] = OpenFile(root, pid, kStat);
  if (only_stat.fd[kStat] < 0) return Fail(failure, kStat, -only_stat.fd[kStat]);
  const int error = ReadWhole({root, pid, 0, only_stat, nullptr}, want, row, failure);
  only_stat.Close();
  return error;
}

int OpenKept(const ProcRoot& root, uint32_t pid, bool with_schedstat, KeptDescriptors* kept) {
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    const int fd = OpenFile(root, pid, static_cast<ProcessFile>(file));
    if (fd < 0) {
      kept->Close();
      return -fd;
    }
    kept->fd[file] = fd;
  }
  const int schedstat = with_schedstat ? OpenByName(root, pid, 0, "schedstat") : -1;
  kept->schedstat = schedstat < 0 ? -1 : schedstat;
  return 0;
}

int ReadProcessAt(const char* root, uint32_t pid, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  ProcRoot tree;
  if (const int error = OpenRoot(root, &tree)) {
    *failure = {error, kRoot};
    return error;
  }
  const int error = ReadProcess(tree, pid, KeptDescriptors(), nullptr, want, row, failure);
  tree.Close();
  return error;
}

int ReadOwnProcess(uint32_t want, ProcessRow* row, ReadFailure* failure) {
  KeptDescriptors own;
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    own.fd[file] = OwnDescriptor(static_cast<ProcessFile>(file));
    if (own.fd[file] < 0) return ReadProcessAt("/proc", 0, want, row, failure);
  }
  if (want == 0 && ReadProcess(ProcRoot(), 0, own, nullptr, 0, row, failure) == 0) return 0;
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
