#include "percpu/rseq.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

// Weak: C libraries other than glibc 2.35 and later do not have them.
extern "C" {
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
}

namespace percpu {

namespace {

constexpr int kUnregister = 1;  // RSEQ_FLAG_UNREGISTER

int Rseq(RseqArea* area, int flags) {
#if defined(SYS_rseq)
  if (kRseqSignature == 0) return ENOSYS;
  return syscall(SYS_rseq, area, sizeof(RseqArea), flags, kRseqSignature) == 0 ? 0 : errno;
#else
  (void)area;
  (void)flags;
  return ENOSYS;
#endif
}

}  // namespace

RseqArea* LibraryRseqArea() {
#if defined(__x86_64__) || defined(__aarch64__)
  if (&__rseq_offset == nullptr || &__rseq_size == nullptr || __rseq_size == 0) return nullptr;
  auto* area = reinterpret_cast<RseqArea*>(static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
  return __atomic_load_n(&area->cpu_id, __ATOMIC_RELAXED) < 0 ? nullptr : area;
#else
  return nullptr;
#endif
}

int RegisterRseqArea(RseqArea* area) {
  *area = {};
  area->cpu_id = -1;
  return Rseq(area, 0);
}

void UnregisterRseqArea(RseqArea* area) {
  Rseq(area, kUnregister);
}

}  // namespace percpu
