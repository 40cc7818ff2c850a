#include "percpu/rseq.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "cpu/affinity.h"
#include "percpu/cpu_id.h"

// What the kernel keeps in the area agrees with what it answers, on every CPU this thread can be on.
int main() {
  percpu::CpuSet allowed;
  CHECK_EQ(percpu::ReadAffinity(0, &allowed), 0);
  percpu::RseqArea* area = percpu::LibraryRseqArea();
  alignas(32) static percpu::RseqArea own;
  if (area == nullptr) {
    const int error = percpu::RegisterRseqArea(&own);
    printf("no area from the C library; registering one: errno %d\n", error);
    if (error == 0) area = &own;
  } else {
    // One area per thread: a second one is refused.
    CHECK(percpu::RegisterRseqArea(&own) != 0);
  }
  const percpu::CpuId current;
  for (uint32_t cpu = 0; cpu < allowed.capacity(); cpu++) {
    if (!allowed.Has(cpu)) continue;
    CHECK_EQ(percpu::PinCallingThread(cpu), 0);
    CHECK_EQ(sched_getcpu(), cpu);
    CHECK_EQ(current.Get(), cpu);
    if (area != nullptr) CHECK_EQ(__atomic_load_n(&area->cpu_id, __ATOMIC_RELAXED), cpu);
  }
  if (area == &own) percpu::UnregisterRseqArea(&own);
  return 0;
}
