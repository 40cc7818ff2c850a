#include "proc/proc_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cstdio>
#include <cstring>

namespace percpu {

namespace {

constexpr int kReadOnly = O_RDONLY | O_CLOEXEC;

// Does not wait for a FIFO's writer or a lease's holder. Does not follow a link. Does not make a terminal the
// controlling one.
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
  // Not fstat(): glibc 2.28, the oldest supported one, has no function of that name. The kernel's struct is
  // the C library's own where long has 64 bits.
  static_assert(sizeof(long) == 8);
  return syscall(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);
}

int OpenUntrusted(int directory, const char* name) {
  const int fd = OpenAt(directory, name, kUntrusted);
  // A link; a socket, or a device without a driver.
  if (fd == -ELOOP || fd == -ENXIO || fd == -ENODEV) return -EBADMSG;
  if (fd < 0 || IsRegular(fd)) return fd;
  close(fd);
  return -EBADMSG;
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
  *root = {.fd = fd, .procfs = procfs, .own = procfs && strcmp(path, "/proc") == 0};
  return 0;
}

ProcessPath::ProcessPath(uint32_t pid, uint32_t tid, const char* name) {
  char process[16] = "self";
  if (pid != 0) snprintf(process, sizeof(process), "%u", pid);
  if (tid == 0)
    snprintf(text, sizeof(text), "%s/%s", process, name);
  else
    snprintf(text, sizeof(text), "%s/task/%u/%s", process, tid, name);
}

int OpenTrusted(int directory, const char* path) {
  return OpenAt(directory, path, kReadOnly);
}

int OpenProcessFile(const ProcRoot& root, uint32_t pid, uint32_t tid, const char* name) {
  const ProcessPath path(pid, tid, name);
  return root.own ? OpenTrusted(root.fd, path.text) : OpenUntrusted(root.fd, path.text);
}

ssize_t ReadText(int fd, char* text, size_t room) {
  ssize_t length;
  do {
    length = pread(fd, text, room, 0);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

}  // namespace percpu
