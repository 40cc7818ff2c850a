// The calling thread's restartable-sequences area: memory in which the kernel keeps the CPU number current.
// Source: rseq(2) of the kernel (include/uapi/linux/rseq.h), glibc manual "Restartable Sequences".
#pragma once

#include <cstddef>
#include <cstdint>

namespace percpu {

// The kernel's ABI; only the fields used here. `cpu_id` is negative while the area is not registered.
struct RseqArea {
  uint32_t cpu_id_start;
  int32_t cpu_id;
  uint64_t rseq_cs;
  uint32_t flags;
  uint32_t padding[3];
};
static_assert(sizeof(RseqArea) == 32);

// The signature that must stand before an abort handler; the one glibc registers with.
#if defined(__x86_64__)
inline constexpr uint32_t kRseqSignature = 0x53053053;
#elif defined(__aarch64__)
inline constexpr uint32_t kRseqSignature = 0xd428bc00;
#else
inline constexpr uint32_t kRseqSignature = 0;
#endif

// The area the C library registered for the calling thread, or nullptr: an old C library, or told not to.
RseqArea* LibraryRseqArea();

// Registers `area`, 32 bytes aligned to 32, for the calling thread. Returns 0 or an errno: EBUSY or EINVAL
// where another area is registered, EPERM or ENOSYS where the kernel refuses.
int RegisterRseqArea(RseqArea* area);
// Must be called on the thread that registered it, before the memory is freed.
void UnregisterRseqArea(RseqArea* area);

}  // namespace percpu
