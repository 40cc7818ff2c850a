#include "proc/proc_scanner.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cpu/affinity.h"
#include "cpu/thread.h"
#include "proc/pid_list.h"

namespace percpu {

namespace {

// The size of libuv's pool by default. More threads would shorten a scan further, at the cost of other work
// on the machine.
constexpr uint32_t kMaxThreads = 4;

// 40 to 300 us of work: a job takes longer if its process has run. Starting a thread costs some 30 us.
constexpr size_t kJobsPerThread = 32;

// Jobs that a thread takes at a time: 20 to 400 us of work. It yields its CPU after them.
constexpr size_t kJobsAtATime = 16;

uint32_t ThreadsFor(size_t jobs) {
  const size_t useful = jobs / kJobsPerThread;
  if (useful <= 1) return 1;
  const uint32_t most = useful < kMaxThreads ? static_cast<uint32_t>(useful) : kMaxThreads;
  CpuSet allowed;
  if (ReadAffinity(0, &allowed) != 0) return 1;
  uint32_t cpus = 0;
  for (uint32_t cpu = 0; cpu < allowed.capacity() && cpus < most; cpu++) cpus += allowed.Has(cpu);
  return cpus;
}

}  // namespace

ProcessRows::~ProcessRows() {
  free(rows);
}

bool ProcessRows::Reserve(size_t rows_in_all) {
  if (rows_in_all <= capacity) return true;
  auto* grown = static_cast<ProcessRow*>(realloc(rows, rows_in_all * sizeof(ProcessRow)));
  if (grown == nullptr) return false;
  rows = grown;
  capacity = rows_in_all;
  return true;
}

ProcScanner::~ProcScanner() {
  free(root_);
}

bool ProcScanner::Open(const char* root, uint32_t max_open_files) {
  const size_t bytes = strlen(root) + 1;
  root_ = static_cast<char*>(malloc(bytes));
  if (root_ == nullptr) return false;
  memcpy(root_, root, bytes);
  max_open_files_ = max_open_files;
  return true;
}

// One process to read; its row has the same index. During a scan only the thread that took the job touches
// it.
struct Job {
  KeptDescriptors files = {};   // from the table; or opened by the job, to go there
  LastReading* last = nullptr;  // the table's; nullptr in the second of two jobs for one process
  bool from_table = false;
  bool may_keep = false;
  bool stale = false;  // the descriptors from the table could not be read
  int error = ECANCELED;
};

struct ProcScanner::Jobs {
  Jobs() = default;
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  ~Jobs() { free(jobs); }

  ProcRoot root;
  // Last readings have no figures of further files. Outside of a procfs they prove nothing: a file may change
  // there while schedstat does not.
  bool may_use_last = false;
  uint32_t want = 0;
  const uint32_t* pids = nullptr;
  size_t count = 0;
  const int32_t* stop[2] = {};
  ProcessRow* rows = nullptr;
  Job* jobs = nullptr;
  // The first job that no thread has taken. Relaxed: it orders no other memory. The jobs were written before
  // the threads began, and their results are read after the threads have ended.
  size_t next = 0;
  int starters_cpu = -1;

  // Relaxed: no other memory depends on the words. JavaScript's threads and the environment's clean-up write
  // them.
  bool Stopped() const {
    return __atomic_load_n(stop[0], __ATOMIC_RELAXED) != 0 || __atomic_load_n(stop[1], __ATOMIC_RELAXED) != 0;
  }

  void Read(size_t at);
  void ReadSome();
  void ReadAll();
};

void ProcScanner::Jobs::Read(size_t at) {
  Job& job = jobs[at];
  const uint32_t pid = pids[at];
  ReadFailure failure;
  if (job.from_table) {
    job.error = ReadProcess(root, pid, job.files, job.last, want, &rows[at], &failure);
    if (job.error == 0 || IsOutOfFiles(job.error)) return;
    // The process has ended, and another one may have its pid. The table's descriptors are not closed here:
    // the list may have the pid twice, and another thread may be reading from them.
    job.stale = true;
  } else if (job.may_keep && OpenKept(root, pid, may_use_last, &job.files) == 0) {
    job.error = ReadProcess(root, pid, job.files, nullptr, want, &rows[at], &failure);
    if (job.error != 0) job.files.Close();
    return;
  }
  job.error = ReadProcess(root, pid, KeptDescriptors(), nullptr, want, &rows[at], &failure);
}

void ProcScanner::Jobs::ReadSome() {
  for (;;) {
    const size_t from = __atomic_fetch_add(&next, kJobsAtATime, __ATOMIC_RELAXED);
    for (size_t at = from; at < from + kJobsAtATime; at++) {
      if (at >= count || Stopped()) return;
      Read(at);
    }
    // If these threads occupy every CPU, the event loop's thread waits for a CPU. A kernel without preemption
    // gives it one only at the end of a time slice, milliseconds later.
    sched_yield();
  }
}

// If a thread cannot be started, the others do its work.
void ProcScanner::Jobs::ReadAll() {
  pthread_t helpers[kMaxThreads - 1];
  uint32_t started = 0;
  const uint32_t wanted = ThreadsFor(count) - 1;
  starters_cpu = sched_getcpu();
  const auto entry = [](void* data) -> void* {
    auto* jobs = static_cast<Jobs*>(data);
    // The kernel often starts a thread on its parent's CPU, and takes longer than a scan to move it.
    LeaveCpu(jobs->starters_cpu);
    jobs->ReadSome();
    return nullptr;
  };
  while (started < wanted && StartThread(&helpers[started], entry, this) == 0) started++;
  ReadSome();
  for (uint32_t i = 0; i < started; i++) pthread_join(helpers[i], nullptr);
}

int ProcScanner::Scan(const uint32_t* pids, size_t pid_count, uint32_t want, const int32_t* const (&stop)[2],
                      ProcessRows* rows) {
  ProcRoot root;
  int error = OpenRoot(root_, &root);
  if (IsOutOfFiles(error)) {
    kept_.Clear();
    error = OpenRoot(root_, &root);
  }
  if (error != 0) return error;
  PidList listed;
  if (pids == nullptr) {
    error = ListPids(root.fd, ".", &listed);
    if (IsOutOfFiles(error)) {
      kept_.Clear();
      error = ListPids(root.fd, ".", &listed);
    }
    pids = listed.pids;
    pid_count = listed.count;
  }
  if (error == 0) error = ScanRoot(root, pids, pid_count, want, stop, rows);
  root.Close();
  return error;
}

int ProcScanner::ScanRoot(const ProcRoot& root, const uint32_t* pids, size_t pid_count, uint32_t want,
                          const int32_t* const (&stop)[2], ProcessRows* rows) {
  Jobs jobs;
  jobs.jobs = static_cast<Job*>(malloc((pid_count + 1) * sizeof(Job)));
  if (jobs.jobs == nullptr || !rows->Reserve(pid_count)) return ENOMEM;
  jobs.root = root;
  jobs.may_use_last = (want & ~kWantLasting) == 0 && root.procfs;
  jobs.want = want;
  jobs.pids = pids;
  jobs.count = pid_count;
  jobs.stop[0] = stop[0];
  jobs.stop[1] = stop[1];
  jobs.rows = rows->rows;
  scan_++;
  Prepare(&jobs);
  jobs.ReadAll();
  KeepAndForget(jobs);
  // A stopped scan has not seen every process: those it did not see may still exist.
  if (jobs.Stopped()) return ECANCELED;
  kept_.RemoveAllBut(scan_);
  if (const int error = ReadAgainWithRoom(&jobs); error != 0) return error;
  for (size_t at = 0; at < pid_count; at++) {
    if (jobs.jobs[at].error != 0) continue;
    if (rows->count != at) rows->rows[rows->count] = rows->rows[at];
    rows->count++;
  }
  return 0;
}

void ProcScanner::Prepare(Jobs* jobs) {
  const uint32_t files_each = jobs->may_use_last ? kKeptDescriptors : kKeptFiles;
  uint32_t open = kept_.files();
  for (size_t at = 0; at < jobs->count; at++) {
    Job job;
    KeptTable::Entry* entry = kept_.Find(jobs->pids[at]);
    if (entry != nullptr) {
      job.files = entry->descriptors;
      job.from_table = true;
      const bool may_use_last = jobs->may_use_last && job.files.schedstat >= 0;
      if (may_use_last && entry->last == nullptr) entry->last = new (std::nothrow) LastReading();
      if (may_use_last && entry->lent_in_scan != scan_) job.last = entry->last;
      entry->lent_in_scan = scan_;
    } else if (open + files_each <= max_open_files_) {
      job.may_keep = true;
      open += files_each;
    }
    jobs->jobs[at] = job;
  }
}

void ProcScanner::KeepAndForget(const Jobs& jobs) {
  for (size_t at = 0; at < jobs.count; at++) {
    Job& job = jobs.jobs[at];
    KeptTable::Entry* entry = kept_.Find(jobs.pids[at]);
    if (job.from_table) {
      if (entry == nullptr) continue;
      if (job.stale)
        kept_.Remove(entry);
      else
        entry->seen_in_scan = scan_;
    } else if (job.files.open()) {
      // A pid that the list has twice is kept once.
      if (entry == nullptr) entry = kept_.Insert(jobs.pids[at], job.files);
      if (entry == nullptr || entry->descriptors.fd[0] != job.files.fd[0])
        job.files.Close();
      else
        entry->seen_in_scan = scan_;
    }
  }
}

// Closes what is kept, and reads again what lacked a descriptor.
int ProcScanner::ReadAgainWithRoom(Jobs* jobs) {
  for (size_t at = 0; at < jobs->count; at++) {
    if (!IsOutOfFiles(jobs->jobs[at].error)) continue;
    kept_.Clear();
    jobs->jobs[at] = {.error = 0};
    jobs->Read(at);
    if (IsOutOfFiles(jobs->jobs[at].error)) return jobs->jobs[at].error;
  }
  return 0;
}

}  // namespace percpu
