// The calling thread's rseq area: memory in which the kernel keeps the thread's CPU number.
// Source: rseq(2) of the kernel (include/uapi/linux/rseq.h), glibc manual "Restartable Sequences".
#pragma once

#include <cstddef>
#include <cstdint>

namespace percpu {

// The kernel's ABI, as of its first version. `cpu_id` is negative while the area is not
// registered.
struct RseqArea {
  uint32_t cpu_id_start;
  int32_t cpu_id;
  uint64_t rseq_cs;
  uint32_t flags;
  uint32_t padding[3];
};
static_assert(sizeof(RseqArea) == 32);

// The four bytes before every abort handler. glibc registers its areas with the same value.
#if defined(__x86_64__)
inline constexpr uint32_t kRseqSignature = 0x53053053;
#elif defined(__aarch64__)
inline constexpr uint32_t kRseqSignature = 0xd428bc00;
#else
inline constexpr uint32_t kRseqSignature = 0;
#endif

// Returns the area that the C library has registered for the calling thread. nullptr: the library is too old
// to register one, or was told not to (GLIBC_TUNABLES).
RseqArea* LibraryRseqArea();

// Registers `area`, 32 bytes aligned to 32, for the calling thread. Returns 0 or an errno. EBUSY or EINVAL:
// another area is registered. EPERM or ENOSYS: the kernel refuses.
int RegisterRseqArea(RseqArea* area);
// Must be called on the thread that has registered the area, before the memory is freed.
void UnregisterRseqArea(RseqArea* area);

}  // namespace percpu
