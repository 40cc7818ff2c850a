#include "proc/rss_reader.h"

#include <unistd.h>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "proc/pid_list.h"
#include "proc/proc_text.h"

namespace percpu {

namespace {

// How often one reading may stand for a process that does not run, at most.
constexpr uint32_t kMostUses = 32;

// The process or thread to read, and what is known of it.
struct Source {
  const ProcRoot& root;
  uint32_t pid;
  uint32_t tid;  // 0: the process, not one of its threads
  const KeptDescriptors& kept;
  LastReading* last;  // nullptr: nothing is known
};

// The text of statm, followed by that of schedstat once AddSchedstat() has read it.
struct Evidence {
  char text[kTextBytes];
  size_t statm_bytes;
  uint32_t bytes;  // of both; 0: they prove nothing
};

// What the files say, as the parsers give it.
struct Figures {
  StatmText statm;
  StatText stat;
  StatusText status;
  double rollup_kib;
  int64_t oom_score_adj;
  int64_t oom_score;
};

// Reads a file through its kept descriptor, or else through one opened for it. Returns the number of bytes,
// or a negated errno.
ssize_t ReadFile(const Source& source, ProcessFile file, char* text) {
  if (file < static_cast<int32_t>(kKeptFiles) && source.kept.fd[file] >= 0) {
    return ReadText(source.kept.fd[file], text);
  }
  const int fd = OpenProcessFile(source.root, source.pid, source.tid, kFileNames[file]);
  if (fd < 0) return fd;
  const ssize_t length = ReadText(fd, text);
  close(fd);
  return length;
}

int Fail(ReadFailure* failure, ProcessFile file, int error) {
  // The directory of a process disappears when it ends. In a tree that is no procfs, a file may have its
  // name.
  failure->error = error == ENOENT || error == ENOTDIR ? ESRCH : error;
  failure->file = file;
  return failure->error;
}

template <typename Parsed>
using Parser = bool (*)(const char* text, size_t length, Parsed* parsed);

template <typename Parsed>
int ReadParsed(const Source& source, ProcessFile file, Parser<Parsed> parse, Parsed* parsed,
               ReadFailure* failure) {
  char text[kTextBytes];
  const ssize_t length = ReadFile(source, file, text);
  if (length < 0) return Fail(failure, file, static_cast<int>(-length));
  return parse(text, static_cast<size_t>(length), parsed) ? 0 : Fail(failure, file, EBADMSG);
}

int ReadStatm(const Source& source, Evidence* evidence, StatmText* statm, ReadFailure* failure) {
  const ssize_t length = ReadFile(source, kStatm, evidence->text);
  if (length < 0) return Fail(failure, kStatm, static_cast<int>(-length));
  evidence->statm_bytes = static_cast<size_t>(length);
  evidence->bytes = 0;
  return ParseStatm(evidence->text, evidence->statm_bytes, statm) ? 0 : Fail(failure, kStatm, EBADMSG);
}

void AddSchedstat(int schedstat, Evidence* evidence) {
  constexpr size_t kMost = sizeof(LastReading::evidence);
  if (evidence->statm_bytes >= kMost) return;
  char* end = evidence->text + evidence->statm_bytes;
  const ssize_t length = ReadText(schedstat, end, kTextBytes - evidence->statm_bytes);
  // A kernel without these figures says "0 0 0".
  if (length <= 0 || *end == '0') return;
  const size_t bytes = evidence->statm_bytes + static_cast<size_t>(length);
  if (bytes <= kMost) evidence->bytes = static_cast<uint32_t>(bytes);
}

// Whether the evidence is that of the last reading; `row` is that reading then.
bool UseLast(LastReading* last, const Evidence& evidence, uint32_t want, ProcessRow* row) {
  if (last->uses_left == 0 || last->want != want || evidence.bytes != last->evidence_bytes ||
      memcmp(evidence.text, last->evidence, evidence.bytes) != 0) {
    last->uses_left = 0;
    return false;
  }
  last->uses_left--;
  *row = last->row;
  return true;
}

void Remember(LastReading* last, const Evidence& evidence, uint32_t want, const ProcessRow& row) {
  memcpy(last->evidence, evidence.text, evidence.bytes);
  last->evidence_bytes = evidence.bytes;
  last->want = want;
  last->row = row;
  // Processes that are first read together are not all read again in the same scan.
  last->uses_left = kMostUses / 2 + static_cast<uint32_t>(row.pid) % (kMostUses / 2);
}

// Asleep, stopped or idle, with a single thread. 'D' is not among the states: a parent inside vfork shows it,
// and its child changes its memory.
bool SleepsAlone(const StatText& stat) {
  return stat.threads == 1 && memchr("SITt", stat.state, 4) != nullptr;
}

// Reads every file but statm; stat last, as rss_reader.h explains.
int ReadFigures(const Source& source, uint32_t want, Figures* figures, ReadFailure* failure) {
  figures->status = {};
  if ((want & kWantStatus) != 0) {
    if (int error = ReadParsed(source, kStatus, ParseStatus, &figures->status, failure)) return error;
  }
  figures->rollup_kib = NAN;
  if ((want & kWantRollup) != 0) {
    int64_t kib;
    ReadFailure rollup;
    const int error = ReadParsed(source, kSmapsRollup, ParseRollup, &kib, &rollup);
    if (IsOutOfFiles(error)) return Fail(failure, kSmapsRollup, error);
    figures->rollup_kib = error == 0 ? static_cast<double>(kib) : -error;
  }
  figures->oom_score_adj = 0;
  figures->oom_score = 0;
  if ((want & kWantOom) != 0) {
    if (int error = ReadParsed(source, kOomScoreAdj, ParseInteger, &figures->oom_score_adj, failure)) {
      return error;
    }
    if (int error = ReadParsed(source, kOomScore, ParseInteger, &figures->oom_score, failure)) return error;
  }
  return ReadParsed(source, kStat, ParseStat, &figures->stat, failure);
}

void ToRow(const Figures& figures, uint32_t want, ProcessRow* row) {
  const bool has_cpu = (want & kWantCpu) != 0;
  const StatText& stat = figures.stat;
  const StatusText& status = figures.status;
  *row = {
      .pid = static_cast<double>(stat.pid),
      .state = static_cast<double>(stat.state),
      .kernel_thread = stat.kernel_thread ? 1.0 : 0.0,
      .threads = static_cast<double>(stat.threads),
      .start_ticks = static_cast<double>(stat.start_ticks),
      .user_ticks = has_cpu ? static_cast<double>(stat.user_ticks) : 0.0,
      .system_ticks = has_cpu ? static_cast<double>(stat.system_ticks) : 0.0,
      .stat_rss_pages = static_cast<double>(stat.rss_pages),
      .resident_pages = static_cast<double>(figures.statm.resident_pages),
      .shared_pages = static_cast<double>(figures.statm.shared_pages),
      .file_kib = static_cast<double>(status.file_kib),
      .shmem_kib = static_cast<double>(status.shmem_kib),
      .swap_kib = static_cast<double>(status.swap_kib),
      .page_table_kib = static_cast<double>(status.page_table_kib),
      .rollup_kib = figures.rollup_kib,
      .oom_score_adj = static_cast<double>(figures.oom_score_adj),
      .oom_score = static_cast<double>(figures.oom_score),
      .name_bytes = static_cast<double>(stat.name_bytes),
      .name = {},
  };
  memcpy(row->name, stat.name, stat.name_bytes);
}

int ReadFiles(const Source& source, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  Evidence evidence;
  Figures figures;
  if (int error = ReadStatm(source, &evidence, &figures.statm, failure)) return error;
  if (source.last != nullptr) {
    AddSchedstat(source.kept.schedstat, &evidence);
    if (UseLast(source.last, evidence, want, row)) return 0;
  }
  if (int error = ReadFigures(source, want, &figures, failure)) return error;
  ToRow(figures, want, row);
  if (evidence.bytes > 0 && SleepsAlone(figures.stat)) Remember(source.last, evidence, want, *row);
  return 0;
}

// The first thread may end before the others (pthread_exit(3)).
bool HasOnlyOtherThreads(const ProcessRow& row) {
  return row.state == 'Z' && row.threads > 1;
}

// Reads the memory from another thread's files: those of a first thread that has ended say that there is
// none.
int ReadOtherThread(const Source& process, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  const KeptDescriptors none_kept;
  PidList threads;
  const int error = ListPids(process.root.fd, ProcessPath(process.pid, 0, "task").text, &threads);
  if (IsOutOfFiles(error)) return Fail(failure, kStat, error);
  for (size_t i = 0; error == 0 && i < threads.count; i++) {
    if (threads.pids[i] == row->pid) continue;
    ProcessRow seen;
    ReadFailure ended;
    const Source thread = {
        .root = process.root, .pid = process.pid, .tid = threads.pids[i], .kept = none_kept, .last = nullptr};
    const int failed = ReadFiles(thread, want & (kWantRollup | kWantStatus), &seen, &ended);
    if (IsOutOfFiles(failed)) return Fail(failure, ended.file, failed);
    if (failed != 0 || seen.resident_pages == 0) continue;
    // That stat can still be read shows that the pid has not passed to another process.
    StatText stat;
    if (int gone = ReadParsed(process, kStat, ParseStat, &stat, failure)) return gone;
    seen.pid = row->pid;
    seen.start_ticks = row->start_ticks;
    seen.user_ticks = row->user_ticks;
    seen.system_ticks = row->system_ticks;
    seen.oom_score_adj = row->oom_score_adj;
    seen.oom_score = row->oom_score;
    seen.name_bytes = row->name_bytes;
    memcpy(seen.name, row->name, sizeof(seen.name));
    *row = seen;
    return 0;
  }
  return 0;
}

int ReadWhole(const Source& source, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  if (int error = ReadFiles(source, want, row, failure)) return error;
  return HasOnlyOtherThreads(*row) ? ReadOtherThread(source, want, row, failure) : 0;
}

}  // namespace

uint32_t KeptDescriptors::count() const {
  return open() ? kKeptFiles + (schedstat >= 0) : 0;
}

void KeptDescriptors::Close() {
  for (int& kept : fd) {
    if (kept >= 0) close(kept);
    kept = -1;
  }
  if (schedstat >= 0) close(schedstat);
  schedstat = -1;
}

int ReadProcess(const ProcRoot& root, uint32_t pid, const KeptDescriptors& kept, LastReading* last,
                uint32_t want, ProcessRow* row, ReadFailure* failure) {
  // A last reading has no figures of the further files. Without schedstat it has no evidence.
  if (kept.schedstat < 0 || (want & ~kWantLasting) != 0) last = nullptr;
  if (kept.open()) {
    return ReadWhole({.root = root, .pid = pid, .tid = 0, .kept = kept, .last = last}, want, row, failure);
  }
  KeptDescriptors only_stat;
  only_stat.fd[kStat] = OpenProcessFile(root, pid, 0, kFileNames[kStat]);
  if (only_stat.fd[kStat] < 0) return Fail(failure, kStat, -only_stat.fd[kStat]);
  const Source source = {.root = root, .pid = pid, .tid = 0, .kept = only_stat, .last = nullptr};
  const int error = ReadWhole(source, want, row, failure);
  only_stat.Close();
  return error;
}

int OpenKept(const ProcRoot& root, uint32_t pid, bool with_schedstat, KeptDescriptors* kept) {
  for (uint32_t file = 0; file < kKeptFiles; file++) {
    const int fd = OpenProcessFile(root, pid, 0, kFileNames[file]);
    if (fd < 0) {
      kept->Close();
      return -fd;
    }
    kept->fd[file] = fd;
  }
  const int schedstat = with_schedstat ? OpenProcessFile(root, pid, 0, "schedstat") : -1;
  kept->schedstat = schedstat < 0 ? -1 : schedstat;
  return 0;
}

int ReadProcessAt(const char* root, uint32_t pid, uint32_t want, ProcessRow* row, ReadFailure* failure) {
  ProcRoot tree;
  if (const int error = OpenRoot(root, &tree)) {
    *failure = {.error = error, .file = kRoot};
    return error;
  }
  const int error = ReadProcess(tree, pid, KeptDescriptors(), nullptr, want, row, failure);
  tree.Close();
  return error;
}

}  // namespace percpu
