// A process whose memory goes from CPU to CPU as it is told. Reads commands from standard input, one per line, and answers
// each with the number of pages it now holds:
//
//   touch CPU PAGES     touches so many pages more, on that CPU
//   touch all PAGES     so many on every CPU it may run on, one CPU after the other
//   free CPU PAGES      gives back so many of the pages it holds, on that CPU
//   free all 0          gives back everything, an equal share on every CPU
//
// Alone in its process, without threads: what the kernel counts is what it was told to do.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CPUS 4096
#define REGION_BYTES (64UL << 30)

static char *region;
static size_t page, held;
static size_t set_bytes;
static cpu_set_t *allowed, *one;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void pin(int cpu) {
  CPU_ZERO_S(set_bytes, one);
  CPU_SET_S(cpu, set_bytes, one);
  if (sched_setaffinity(0, set_bytes, one) != 0) fail("sched_setaffinity");
}

static void touch_pages(size_t pages) {
  for (; pages > 0; pages--, held++) region[held * page] = 1;
}

static void free_pages(size_t pages) {
  if (pages > held) pages = held;
  held -= pages;
  if (pages > 0 && madvise(region + held * page, pages * page, MADV_DONTNEED) != 0) fail("madvise");
}

int main(void) {
  char line[128], verb[16], where[16];
  page = sysconf(_SC_PAGESIZE);
  set_bytes = CPU_ALLOC_SIZE(MAX_CPUS);
  allowed = CPU_ALLOC(MAX_CPUS);
  one = CPU_ALLOC(MAX_CPUS);
  if (sched_getaffinity(0, set_bytes, allowed) < 0) fail("sched_getaffinity");
  region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) fail("mmap");
  madvise(region, REGION_BYTES, MADV_NOHUGEPAGE);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    size_t pages;
    if (sscanf(line, "%15s %15s %zu", verb, where, &pages) != 3) return 2;
    const int everywhere = strcmp(where, "all") == 0;
    const int first = everywhere ? 0 : atoi(where), last = everywhere ? MAX_CPUS - 1 : first;
    const int freeing = strcmp(verb, "free") == 0;
    const size_t share = everywhere && freeing ? (held + CPU_COUNT_S(set_bytes, allowed) - 1) / CPU_COUNT_S(set_bytes, allowed) : pages;
    for (int cpu = first; cpu <= last; cpu++) {
      if (!CPU_ISSET_S(cpu, set_bytes, allowed)) continue;
      pin(cpu);
      if (freeing) free_pages(share);
      else touch_pages(share);
    }
    printf("%zu\n", held);
  }
  return 0;
}
