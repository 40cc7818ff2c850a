#include "cpu/numa.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

namespace percpu {

namespace {
constexpr int kPreferred = 1;  // MPOL_PREFERRED
constexpr uint32_t kMaxNodes = 1024;
constexpr uint32_t kBitsPerWord = 8 * sizeof(unsigned long);
}  // namespace

size_t PageBytes() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

int PreferNode(void* start, size_t bytes, uint32_t node) {
  if (node >= kMaxNodes) return EINVAL;
  unsigned long nodes[kMaxNodes / kBitsPerWord] = {};
  nodes[node / kBitsPerWord] = 1ul << (node % kBitsPerWord);
#if defined(SYS_mbind)
  // The kernel reads one bit less than the given number.
  return syscall(SYS_mbind, start, bytes, kPreferred, nodes, kMaxNodes + 1, 0) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

}  // namespace percpu
