#include "cpu/affinity.h"

#include <sched.h>
#include <cerrno>

#include "check.h"

int main() {
  percpu::CpuSet allowed;
  CHECK_EQ(percpu::ReadAffinity(0, &allowed), 0);
  uint32_t cpu = 0;
  while (!allowed.Has(cpu)) CHECK(++cpu < allowed.capacity());

  CHECK_EQ(percpu::PinCallingThread(cpu), 0);
  CHECK_EQ(sched_getcpu(), cpu);
  percpu::CpuSet pinned;
  CHECK_EQ(percpu::ReadAffinity(0, &pinned), 0);
  for (uint32_t other = 0; other < pinned.capacity(); other++) CHECK_EQ(pinned.Has(other), other == cpu);

  // The largest CPU number the kernel could be asked for, far beyond the C library's 1,024.
  CHECK_EQ(percpu::PinCallingThread(percpu::kMaxAffinityCpus - 1), EINVAL);
  CHECK_EQ(sched_getcpu(), cpu);

  CHECK_EQ(percpu::WriteAffinity(0, allowed), 0);
  CHECK_EQ(percpu::ReadAffinity(0x7fffffff, &pinned), ESRCH);

  percpu::CpuSet empty;
  CHECK(empty.Allocate(64));
  CHECK_EQ(percpu::WriteAffinity(0, empty), EINVAL);
  empty.Add(64);  // no room: ignored
  CHECK(!empty.Has(64));
  return 0;
}
