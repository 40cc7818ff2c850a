#include "proc/own_process.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>

#include "proc/proc_text.h"

namespace percpu {

namespace {

// Never closed: another thread may be reading from them. -1: not opened yet.
int own_fd[kKeptFiles] = {-1, -1, -1};

// Opens the first thread's stat instead of the process's, which costs more: there the kernel sums times and
// faults over all threads. The fields read here are the same in both.
int OpenOwn(ProcessFile file) {
  char path[64];
  char pid[16];  // as this mount of /proc numbers it
  const ssize_t length = file == kStat ? readlink("/proc/self", pid, sizeof(pid)) : 0;
  if (length > 0 && length < static_cast<ssize_t>(sizeof(pid))) {
    snprintf(path, sizeof(path), "/proc/self/task/%.*s/stat", static_cast<int>(length), pid);
  } else {
    snprintf(path, sizeof(path), "/proc/self/%s", kFileNames[file]);
  }
  return OpenTrusted(AT_FDCWD, path);
}

// Returns the file's descriptor, opened at the first call, or a negated errno. Acquire and release order only
// the number: the kernel's side of a descriptor is not in memory that threads share. Of two threads that open
// the file at the same time, the second one closes its own.
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

// Forgets a descriptor that cannot be read any more: some code of this process has closed it. It is not
// closed here, since its number may belong to another file by now. Release pairs with the acquire of
// OwnDescriptor(). If another thread has replaced the number already, the exchange fails, and nothing is to
// be done: its failure needs no order.
void ForgetOwnDescriptor(ProcessFile file, int fd) {
  __atomic_compare_exchange_n(&own_fd[file], &fd, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

}  // namespace

int ReadOwnProcess(uint32_t want, ProcessRow* row, ReadFailure* failure) {
  KeptDescriptors own;
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    own.fd[file] = OwnDescriptor(static_cast<ProcessFile>(file));
    if (own.fd[file] < 0) return ReadProcessAt("/proc", 0, want, row, failure);
  }
  const bool kept_suffice = (want & ~kWantStatus) == 0;
  if (kept_suffice && ReadProcess(ProcRoot(), 0, own, nullptr, want, row, failure) == 0) return 0;
  for (uint32_t file = 0; kept_suffice && file < kKeptFiles; file++) {
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
    StatmText statm;
    if (length >= 0 && ParseStatm(text, static_cast<size_t>(length), &statm)) return statm.resident_pages;
    error = length < 0 ? static_cast<int>(-length) : EBADMSG;
    ForgetOwnDescriptor(kStatm, fd);
  }
  return -error;
}

}  // namespace percpu
