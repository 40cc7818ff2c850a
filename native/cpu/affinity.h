// Which CPUs a thread may run on, for any number of CPUs: cpu_set_t ends at 1,024.
#pragma once

#include <sys/types.h>
#include <cstdint>

namespace percpu {

inline constexpr uint32_t kMaxAffinityCpus = 1u << 20;

// A set of CPU numbers below kMaxAffinityCpus, as the kernel's system calls take it.
class CpuSet {
 public:
  CpuSet() = default;
  ~CpuSet();
  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;

  // Makes an empty set for CPU numbers below `cpus`. Returns false without memory.
  [[nodiscard]] bool Allocate(uint32_t cpus);
  // Both ignore CPU numbers that there is no room for.
  void Add(uint32_t cpu);
  void Remove(uint32_t cpu);
  bool Has(uint32_t cpu) const;
  // CPU numbers the set has room for.
  uint32_t capacity() const { return static_cast<uint32_t>(bytes_ * 8); }

 private:
  friend int ReadAffinity(pid_t tid, CpuSet* set);
  friend int WriteAffinity(pid_t tid, const CpuSet& set);

  unsigned long* words_ = nullptr;
  size_t bytes_ = 0;
};

// Both: `tid` 0 is the calling thread; they return 0 or an errno. Source: sched_setaffinity(2).
int ReadAffinity(pid_t tid, CpuSet* set);
int WriteAffinity(pid_t tid, const CpuSet& set);

// Restricts the calling thread to one CPU; 0 or an errno (EINVAL: there is no such CPU, it is offline, or not
// in this process's cpuset).
int PinCallingThread(uint32_t cpu);

// Takes that CPU from those that the calling thread may run on, where it is running on it and has another
// one.
void LeaveCpu(int cpu);

}  // namespace percpu
