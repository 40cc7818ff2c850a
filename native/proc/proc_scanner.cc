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

uint32_t Hash(uint32_t pid) {
  return pid * 2654435769u;
}

// As many as libuv's pool has by default: enough for the kernel's part to be done in a fraction of the time,
// and few enough to leave a large machine alone.
constexpr uint32_t kMaxThreads = 4;

// 40 to 300 us of work, by how many have run: less is not worth a thread, which costs some 30 us.
constexpr size_t kJobsPerThread = 32;

// Jobs a thread takes at a time: 20 to 400 us of work, after which it gives way to others.
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

KeptTable::~KeptTable() {
  Clear();
  free(entries_);
}

// Where the pid is, or would be: there always is a free entry, since at most half are used.
KeptTable::Entry* KeptTable::Slot(uint32_t pid) const {
  uint32_t at = Hash(pid) & (capacity_ - 1);
  while (entries_[at].pid != 0 && entries_[at].pid != pid) at = (at + 1) & (capacity_ - 1);
  return &entries_[at];
}

KeptTable::Entry* KeptTable::Find(uint32_t pid) const {
  if (capacity_ == 0) return nullptr;
  Entry* entry = Slot(pid);
  return entry->pid == pid ? entry : nullptr;
}

bool KeptTable::Grow() {
  const uint32_t larger = capacity_ == 0 ? 256 : 2 * capacity_;
  auto* entries = static_cast<Entry*>(calloc(larger, sizeof(Entry)));
  if (entries == nullptr) return false;
  Entry* old = entries_;
  const uint32_t old_capacity = capacity_;
  entries_ = entries;
  capacity_ = larger;
  for (uint32_t i = 0; i < old_capacity; i++) {
    if (old[i].pid != 0) *Slot(old[i].pid) = old[i];
  }
  free(old);
  return true;
}

KeptTable::Entry* KeptTable::Insert(uint32_t pid, const KeptDescriptors& descriptors) {
  if (2 * (used_ + 1) > capacity_ && !Grow()) return nullptr;
  Entry* entry = Slot(pid);
  *entry = {pid, 0, 0, descriptors, nullptr};
  used_++;
  files_ += descriptors.count();
  return entry;
}

void KeptTable::Release(Entry* entry) {
  files_ -= entry->descriptors.count();
  used_--;
  entry->descriptors.Close();
  delete entry->last;
  entry->pid = 0;
}

void KeptTable::Remove(Entry* entry) {
  Release(entry);
  // What follows without a gap may have been pushed on by this one: put each where it belongs now.
  uint32_t at = static_cast<uint32_t>(entry - entries_);
  for (at = (at + 1) & (capacity_ - 1); entries_[at].pid != 0; at = (at + 1) & (capacity_ - 1)) {
    const Entry moved = entries_[at];
    entries_[at].pid = 0;
    *Slot(moved.pid) = moved;
  }
}

void KeptTable::RemoveAllBut(uint32_t scan) {
  // Removing moves others, also into what was looked at: again until a round finds nothing.
  for (bool removed = true; removed;) {
    removed = false;
    for (uint32_t i = 0; i < capacity_; i++) {
      if (entries_[i].pid == 0 || entries_[i].seen_in_scan == scan) continue;
      Remove(&entries_[i]);
      removed = true;
    }
  }
}

void KeptTable::Clear() {
  for (uint32_t i = 0; i < capacity_; i++) {
    if (entries_[i].pid != 0) Release(&entries_[i]);
  }
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

// One process to read, at the same place as its row. Its thread alone touches it while they run.
struct Job {
  KeptDescriptors files;  // from the table; or opened now, to go there
  LastReading* last;      // the table's; nullptr for the second of two jobs with one process
  bool from_table;
  bool may_keep;
  bool stale;  // what the table had could not be read
  int error;
};

struct ProcScanner::Jobs {
  Jobs() = default;
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  ~Jobs() { free(jobs); }

  ProcRoot root;
  // Whether what a process said last can be of use: where no further files are wanted, and not of a made
  // tree, whose files may change while its schedstat stays, or the other way round.
  bool may_use_last = false;
  uint32_t want = 0;
  const uint32_t* pids = nullptr;
  size_t count = 0;
  const int32_t* stop[2] = {};
  ProcessRow* rows = nullptr;
  Job* jobs = nullptr;
  // The first job that no thread has taken. Relaxed: it gives out places and nothing else; what they hold was
  // written before the threads began and is read after they have ended.
  size_t next = 0;
  int starters_cpu = -1;

  // Relaxed: the words say to stop, and nothing else in memory goes with them. JavaScript's threads and the
  // environment's clean-up write them.
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
    // Ended; the pid may have a new owner. What the table holds is not closed here: the same pid may be
    // listed twice, and another thread be reading it.
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
    // Where every CPU is busy with this, the event loop would wait for the end of a time slice, milliseconds
    // away: kernels that do not preempt leave a running thread alone until then.
    sched_yield();
  }
}

// Where no more threads can be had, those that there are do the work.
void ProcScanner::Jobs::ReadAll() {
  pthread_t helpers[kMaxThreads - 1];
  uint32_t started = 0;
  const uint32_t wanted = ThreadsFor(count) - 1;
  starters_cpu = sched_getcpu();
  const auto entry = [](void* data) -> void* {
    auto* jobs = static_cast<Jobs*>(data);
    // The kernel likes to start a thread on the CPU of its parent, and takes longer than a scan to find out
    // that the two are in each other's way there.
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
  jobs.may_use_last = want == 0 && root.procfs;
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
  // After a scan that was broken off nobody knows who is gone.
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
    Job job = {KeptDescriptors(), nullptr, false, false, false, ECANCELED};
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
      // A pid that is listed twice is kept once.
      if (entry == nullptr) entry = kept_.Insert(jobs.pids[at], job.files);
      if (entry == nullptr || entry->descriptors.fd[0] != job.files.fd[0])
        job.files.Close();
      else
        entry->seen_in_scan = scan_;
    }
  }
}

// What needs a descriptor comes before what merely keeps some.
int ProcScanner::ReadAgainWithRoom(Jobs* jobs) {
  for (size_t at = 0; at < jobs->count; at++) {
    if (!IsOutOfFiles(jobs->jobs[at].error)) continue;
    kept_.Clear();
    jobs->jobs[at] = {KeptDescriptors(), nullptr, false, false, false, 0};
    jobs->Read(at);
    if (IsOutOfFiles(jobs->jobs[at].error)) return jobs->jobs[at].error;
  }
  return 0;
}

}  // namespace percpu
