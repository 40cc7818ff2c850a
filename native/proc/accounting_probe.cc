#include "proc/accounting_probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "cpu/affinity.h"
#include "cpu/numa.h"
#include "proc/proc_text.h"

namespace percpu {

namespace {

constexpr int kTimeoutMs = 5000;
constexpr uint32_t kExactSteps = 32;
// Less than the smallest batch of any kernel: no CPU, thread or leaf passes on so few pages.
constexpr uint32_t kDrift = 15;

// What the child works on. The parent prepares all of it. At the moment of the clone another thread may have
// held a lock, which then stays locked in the child. The child must therefore not allocate. It may call
// system calls, and functions that use only their arguments.
struct Probe {
  DriftObservations* observations;  // shared between both
  int* done;                        // shared; 1 once all observations are written
  char* region;                     // no page of it is touched yet
  size_t region_pages;
  size_t page_bytes;
  uint32_t batch;
  const CpuSet* touch_cpu;
  const CpuSet* read_cpu;
};

// The child's own files. It opens them itself, since /proc/self is the process that looks it up.
struct OwnFiles {
  int stat;
  int statm;
  int rollup;
};

struct Figures {
  int64_t stat = 0;
  int64_t statm = 0;
};

bool ReadFigures(const OwnFiles& files, Figures* figures) {
  char text[1024];
  StatText stat;
  ssize_t length = pread(files.stat, text, sizeof(text), 0);
  if (length < 0 || !ParseStat(text, static_cast<size_t>(length), &stat)) return false;
  figures->stat = stat.rss_pages;
  length = pread(files.statm, text, sizeof(text), 0);
  StatmText statm;
  if (length < 0 || !ParseStatm(text, static_cast<size_t>(length), &statm)) return false;
  figures->statm = statm.resident_pages;
  return true;
}

double ReadRollupPages(const OwnFiles& files, size_t page_bytes) {
  char text[1024];
  const ssize_t length = files.rollup < 0 ? -1 : pread(files.rollup, text, sizeof(text), 0);
  int64_t kib;
  if (length < 0 || !ParseRollup(text, static_cast<size_t>(length), &kib)) return NAN;
  return static_cast<double>(kib) * 1024 / static_cast<double>(page_bytes);
}

class Toucher {
 public:
  explicit Toucher(const Probe& probe) : probe_(probe) {}

  bool Touch() {
    if (next_ == probe_.region_pages) return false;
    *const_cast<volatile char*>(At(next_++)) = 1;
    return true;
  }

  // Releases the page that was touched last. The next Touch() touches it again.
  bool Release() { return madvise(At(--next_), probe_.page_bytes, MADV_DONTNEED) == 0; }

 private:
  char* At(size_t page) { return probe_.region + page * probe_.page_bytes; }

  const Probe& probe_;
  size_t next_ = 0;
};

// Waits for the second jump. The first one includes what the child's start had left in the counter.
bool FindJump(const OwnFiles& files, Toucher* toucher, DriftObservations* seen, Figures* last) {
  int jumps = 0;
  for (; jumps < 2 && toucher->Touch(); seen->touched++) {
    Figures now;
    if (!ReadFigures(files, &now)) return false;
    const int64_t step = now.stat - last->stat;
    *last = now;
    if (step == 1 && seen->touched < kExactSteps) seen->exact_steps++;
    if (step <= 1) continue;
    jumps++;
    seen->jump = jumps == 2 ? static_cast<double>(step) : 0;
  }
  return true;
}

bool Observe(const Probe& probe, const OwnFiles& files) {
  DriftObservations* seen = probe.observations;
  Toucher toucher(probe);
  Figures last;
  Figures now;
  if (WriteAffinity(0, *probe.touch_cpu) != 0) return false;
  seen->touch_cpu = sched_getcpu();
  // The first reads and the first page load code and page tables, which also count.
  if (!ReadFigures(files, &last) || !toucher.Touch()) return false;
  ReadRollupPages(files, probe.page_bytes);
  if (!ReadFigures(files, &last) || !FindJump(files, &toucher, seen, &last)) return false;

  // Right after a jump the counter holds back the least.
  if (seen->jump > 0) {
    if (!toucher.Release() || !toucher.Release() || !ReadFigures(files, &now)) return false;
    seen->fall = static_cast<double>(now.stat - last.stat);
    if (!toucher.Touch() || !toucher.Touch()) return false;
  }
  const double rollup = ReadRollupPages(files, probe.page_bytes);
  if (!ReadFigures(files, &last)) return false;
  for (uint32_t page = 0; page < kDrift; page++) {
    if (!toucher.Touch()) return false;
  }
  if (WriteAffinity(0, *probe.read_cpu) != 0) return false;
  seen->read_cpu = sched_getcpu();
  if (!ReadFigures(files, &now)) return false;
  seen->drift = kDrift;
  seen->stat_growth = static_cast<double>(now.stat - last.stat);
  seen->statm_growth = static_cast<double>(now.statm - last.statm);
  seen->rollup_growth = ReadRollupPages(files, probe.page_bytes) - rollup;
  return true;
}

[[noreturn]] void RunChild(const Probe& probe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const OwnFiles files = {.stat = open("/proc/self/stat", O_RDONLY),
                          .statm = open("/proc/self/statm", O_RDONLY),
                          .rollup = open("/proc/self/smaps_rollup", O_RDONLY)};
  const bool ok = files.stat >= 0 && files.statm >= 0 && Observe(probe, files);
  // Release: a thread that sees the mark also sees the observations.
  __atomic_store_n(probe.done, ok ? 1 : 0, __ATOMIC_RELEASE);
  for (;;) syscall(SYS_exit_group, 0);
}

// Waits for a child that sends no signal when it ends. Returns 0 or an errno. The child has ended in any
// case.
int WaitForChild(pid_t child) {
  for (int waited = 0; waited < kTimeoutMs; waited++) {
    const pid_t ended = waitpid(child, nullptr, WNOHANG | __WCLONE);
    if (ended == child) return 0;
    if (ended < 0 && errno != EINTR) return errno;
    const timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, nullptr);
  }
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, __WCLONE) < 0 && errno == EINTR) {
  }
  return ETIMEDOUT;
}

// Clones this process without a signal at the child's end. fork() is not used, for two reasons: its handlers
// take locks, and its SIGCHLD would reach this process's handler for children.
//
// Every signal is blocked in the child from its first instruction on. The child inherits this process's
// handlers and the files they write to, such as libuv's pipe. Without the block, a signal to the process
// group (Ctrl-C) would be handled twice. SIGKILL and faults cannot be blocked and still end the child.
pid_t CloneSilently() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto child = static_cast<pid_t>(syscall(SYS_clone, 0, 0, 0, 0, 0));
  const int error = errno;
  if (child != 0) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}

int RunProbe(Probe* probe) {
  const pid_t child = CloneSilently();
  if (child < 0) return errno;
  if (child == 0) RunChild(*probe);
  const int error = WaitForChild(child);
  if (error != 0) return error;
  return __atomic_load_n(probe->done, __ATOMIC_ACQUIRE) == 1 ? 0 : EPROTO;
}

}  // namespace

int ProbeAccounting(uint32_t touch_cpu, uint32_t read_cpu, uint32_t batch, DriftObservations* observations) {
  CpuSet touch_set;
  CpuSet read_set;
  if (!touch_set.Allocate(touch_cpu + 1) || !read_set.Allocate(read_cpu + 1)) return ENOMEM;
  touch_set.Add(touch_cpu);
  read_set.Add(read_cpu);
  const size_t page_bytes = PageBytes();
  // A flat counter jumps twice within two batches.
  const size_t region_pages = size_t{3} * batch + 128;
  const int anonymous = MAP_ANONYMOUS | MAP_NORESERVE;
  void* shared = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return errno;
  void* region =
      mmap(nullptr, region_pages * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | anonymous, -1, 0);
  if (region == MAP_FAILED) {
    munmap(shared, page_bytes);
    return ENOMEM;
  }
  // Touching one byte would bring in a whole huge page.
  madvise(region, region_pages * page_bytes, MADV_NOHUGEPAGE);
  auto* answer = static_cast<DriftObservations*>(shared);
  *answer = {};
  Probe probe = {.observations = answer,
                 .done = reinterpret_cast<int*>(answer + 1),
                 .region = static_cast<char*>(region),
                 .region_pages = region_pages,
                 .page_bytes = page_bytes,
                 .batch = batch,
                 .touch_cpu = &touch_set,
                 .read_cpu = &read_set};
  const int error = RunProbe(&probe);
  *observations = *answer;
  munmap(region, region_pages * page_bytes);
  munmap(shared, page_bytes);
  return error;
}

}  // namespace percpu
