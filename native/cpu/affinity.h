// Which CPUs a thread may run on. Any number of CPUs works; cpu_set_t ends at 1,024.
#pragma once

#include <sys/types.h>
#include <cstdint>

namespace percpu {

inline constexpr uint32_t kMaxAffinityCpus = 1u << 20;

// A set of CPU numbers below kMaxAffinityCpus, in the kernel's format.
class CpuSet {
 public:
  CpuSet() = default;
  ~CpuSet();
  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;

  // Makes an empty set for CPU numbers below `cpus`. Returns false if there is no memory.
  [[nodiscard]] bool Allocate(uint32_t cpus);
  // Both ignore CPU numbers from capacity() on.
  void Add(uint32_t cpu);
  void Remove(uint32_t cpu);
  bool Has(uint32_t cpu) const;
  // The set has room for the CPU numbers below this.
  uint32_t capacity() const { return static_cast<uint32_t>(bytes_ * 8); }

 private:
  friend int ReadAffinity(pid_t tid, CpuSet* set);
  friend int WriteAffinity(pid_t tid, const CpuSet& set);

  unsigned long* words_ = nullptr;
  size_t bytes_ = 0;
};

// Both return 0 or an errno. `tid` 0 is the calling thread. Source: sched_setaffinity(2).
int ReadAffinity(pid_t tid, CpuSet* set);
int WriteAffinity(pid_t tid, const CpuSet& set);

// Restricts the calling thread to one CPU. Returns 0 or an errno. EINVAL: the CPU does not exist, is offline,
// or is not in this process's cpuset.
int PinCallingThread(uint32_t cpu);

// If the calling thread runs on that CPU and may run on another one, forbids it that CPU.
void LeaveCpu(int cpu);

}  // namespace percpu
