// A process whose memory goes from CPU to CPU as it is told. Reads commands from standard input, one per
// line, and answers each with the number of pages it now holds:
//
//   touch CPU PAGES     touches so many pages more, on that CPU
//   touch all PAGES     so many on every CPU it may run on, one CPU after the other
//   free CPU PAGES      gives back so many of the pages it holds, on that CPU
//   free all 0          gives back everything, an equal share on every CPU
//
// Alone in its process, without threads: what the kernel counts is what it was told to do.
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kMaxCpus = 4096;
constexpr size_t kRegionBytes = size_t{64} << 30;

char* region;
size_t page;
size_t held;
size_t set_bytes;
cpu_set_t* allowed;
cpu_set_t* one;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(1);
}

void Pin(int cpu) {
  CPU_ZERO_S(set_bytes, one);
  CPU_SET_S(cpu, set_bytes, one);
  if (sched_setaffinity(0, set_bytes, one) != 0) Fail("sched_setaffinity");
}

void TouchPages(size_t pages) {
  for (; pages > 0; pages--, held++) region[held * page] = 1;
}

void FreePages(size_t pages) {
  if (pages > held) pages = held;
  held -= pages;
  if (pages > 0 && madvise(region + held * page, pages * page, MADV_DONTNEED) != 0) Fail("madvise");
}

}  // namespace

int main() {
  char line[128];
  char verb[16];
  char where[16];
  page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  set_bytes = CPU_ALLOC_SIZE(kMaxCpus);
  allowed = CPU_ALLOC(kMaxCpus);
  one = CPU_ALLOC(kMaxCpus);
  if (sched_getaffinity(0, set_bytes, allowed) < 0) Fail("sched_getaffinity");
  const auto cpus = static_cast<size_t>(CPU_COUNT_S(set_bytes, allowed));
  constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* mapped = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, kAnonymous, -1, 0);
  if (mapped == MAP_FAILED) Fail("mmap");
  region = static_cast<char*>(mapped);
  madvise(region, kRegionBytes, MADV_NOHUGEPAGE);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  while (fgets(line, sizeof(line), stdin) != nullptr) {
    size_t pages;
    if (sscanf(line, "%15s %15s %zu", verb, where, &pages) != 3) return 2;
    const bool everywhere = strcmp(where, "all") == 0;
    const bool freeing = strcmp(verb, "free") == 0;
    const int first = everywhere ? 0 : atoi(where);
    const int last = everywhere ? kMaxCpus - 1 : first;
    const size_t share = everywhere && freeing ? (held + cpus - 1) / cpus : pages;
    for (int cpu = first; cpu <= last; cpu++) {
      if (!CPU_ISSET_S(cpu, set_bytes, allowed)) continue;
      Pin(cpu);
      if (freeing)
        FreePages(share);
      else
        TouchPages(share);
    }
    printf("%zu\n", held);
  }
  return 0;
}
