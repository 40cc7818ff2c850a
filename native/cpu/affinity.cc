#include "cpu/affinity.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace percpu {

namespace {
constexpr uint32_t kBitsPerWord = 8 * sizeof(unsigned long);
}

CpuSet::~CpuSet() {
  free(words_);
}

bool CpuSet::Allocate(uint32_t cpus) {
  free(words_);
  const size_t words = (cpus + kBitsPerWord - 1) / kBitsPerWord;
  words_ = static_cast<unsigned long*>(calloc(words, sizeof(unsigned long)));
  bytes_ = words_ == nullptr ? 0 : words * sizeof(unsigned long);
  return words_ != nullptr;
}

void CpuSet::Add(uint32_t cpu) {
  if (cpu < capacity()) words_[cpu / kBitsPerWord] |= 1ul << (cpu % kBitsPerWord);
}

void CpuSet::Remove(uint32_t cpu) {
  if (cpu < capacity()) words_[cpu / kBitsPerWord] &= ~(1ul << (cpu % kBitsPerWord));
}

bool CpuSet::Has(uint32_t cpu) const {
  return cpu < capacity() && (words_[cpu / kBitsPerWord] >> (cpu % kBitsPerWord) & 1) != 0;
}

// System calls without the C library: its wrappers return different values and clear different bytes.
int ReadAffinity(pid_t tid, CpuSet* set) {
  for (uint32_t cpus = 1024; cpus <= kMaxAffinityCpus; cpus *= 4) {
    if (!set->Allocate(cpus)) return ENOMEM;
    if (syscall(SYS_sched_getaffinity, tid, set->bytes_, set->words_) >= 0) return 0;
    // EINVAL: the kernel's set is larger than this one.
    if (errno != EINVAL) return errno;
  }
  return EINVAL;
}

int WriteAffinity(pid_t tid, const CpuSet& set) {
  return syscall(SYS_sched_setaffinity, tid, set.bytes_, set.words_) == 0 ? 0 : errno;
}

int PinCallingThread(uint32_t cpu) {
  CpuSet set;
  if (!set.Allocate(cpu + 1)) return ENOMEM;
  set.Add(cpu);
  return WriteAffinity(0, set);
}

void LeaveCpu(int cpu) {
  CpuSet set;
  if (cpu < 0 || sched_getcpu() != cpu || ReadAffinity(0, &set) != 0) return;
  set.Remove(static_cast<uint32_t>(cpu));
  // An empty set fails with EINVAL and changes nothing.
  WriteAffinity(0, set);
}

}  // namespace percpu
