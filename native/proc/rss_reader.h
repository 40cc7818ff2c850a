// The files of one process, read into a row. Nothing is kept between two calls here: proc_scanner.h does
// that.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace percpu {

// One process as lib/proc/files/native-row.ts reads it: sixteen doubles, then the name.
struct ProcessRow {
  double pid;
  double state;
  double kernel_thread;
  double threads;
  double start_ticks;
  double stat_rss_pages;
  double resident_pages;
  double anon_kib;
  double file_kib;
  double shmem_kib;
  double swap_kib;
  double page_table_kib;
  double rollup_kib;  // NaN: not asked for; negative: the errno of what failed
  double oom_score_adj;
  double oom_score;
  double name_bytes;
  char name[64];
};
static_assert(sizeof(ProcessRow) == 192, "lib/proc/files/native-row.ts has the same number");

// lib/proc/files/process-row.ts has the same order.
enum ProcessFile : int32_t {
  kStat,
  kStatm,
  kStatus,
  kSmapsRollup,
  kOomScoreAdj,
  kOomScore,
  kRoot,  // not a file: the directory of the proc tree
};

// Files of a reading that stay open between scans: the first three.
constexpr uint32_t kKeptFiles = 3;

// Descriptors that a kept process takes: those, and schedstat where there is one.
constexpr uint32_t kKeptDescriptors = 4;

// Bits of `want`: files besides the first three.
constexpr uint32_t kWantRollup = 1;
constexpr uint32_t kWantOom = 2;

struct ReadFailure {
  int error = 0;  // errno; EBADMSG for what is no regular file, or a content the man page does not describe
  ProcessFile file = kStat;
};

// Descriptors of a process's first three files, and of its schedstat; -1 where one is not open.
struct KeptDescriptors {
  int fd[kKeptFiles] = {-1, -1, -1};
  int schedstat = -1;

  bool open() const { return fd[0] >= 0; }
  uint32_t count() const;
  void Close();
};

// What a process's files said last, and what shows that they would say the same again. Most processes sleep,
// and two short files tell that at an eighth of the cost of the three.
//
// The figures of a process change when it runs, or when others take memory from it or give it some, as
// reclaim does. statm shows the latter. schedstat shows the former: its CPU time grows when a run ends, its
// number of runs when one begins. If both say what they said just before the others were read, and the only
// thread was asleep after that, nothing has run in between: a run under way meanwhile would have ended, and
// it takes a run to make a thread, or a child inside vfork.
//
// What escapes this: a process that shares its memory with another one otherwise than as threads or by vfork;
// a change by others that leaves statm as it was, such as a page swapped out for each one that a debugger
// brings in; and a CPU that goes offline, whose part of the flat counters moves to where stat sees it. So the
// files are read again now and then in any case.
struct LastReading {
  char evidence[96];            // statm and schedstat, as they were read
  uint32_t evidence_bytes = 0;  // 0: they showed nothing, or are too long
  uint32_t uses_left = 0;
  ProcessRow row;
};

// The directory of a proc tree, open.
struct ProcRoot {
  int fd = -1;
  // The kernel fills it, as far as nothing is mounted over its files.
  bool procfs = false;
  // It is the one at /proc. Only the owner of this mount namespace can mount anything there, so that its
  // files are regular ones. Those of any other tree are opened without waiting and looked at: what stands in
  // their place may be a FIFO, a device or a link, also in a procfs that another namespace has mounts in.
  bool own = false;

  void Close();
};

// Returns 0 or an errno; nothing is open then.
int OpenRoot(const char* path, ProcRoot* root);

// Reads the process `pid` of a proc tree; 0 is the calling process. Files that are not kept are found by
// their paths. stat is open all the while and read last: that it can be read then shows that its process was
// there throughout, and nobody else had its pid. `last` is what these descriptors showed before; nullptr: all
// files are read in any case. Returns 0 or failure->error; a rollup that cannot be had is no failure, unless
// it is for want of descriptors.
int ReadProcess(const ProcRoot& root, uint32_t pid, const KeptDescriptors& kept, LastReading* last,
                uint32_t want, ProcessRow* row, ReadFailure* failure);

// Opens a process's first three files to be kept, and where asked for schedstat, if there is one. Returns 0
// or an errno; nothing is open then.
int OpenKept(const ProcRoot& root, uint32_t pid, bool with_schedstat, KeptDescriptors* kept);

// No descriptors are left to this process, or to the machine: that says nothing about the process to be read.
inline bool IsOutOfFiles(int error) {
  return error == EMFILE || error == ENFILE;
}

// Reads one process of the tree at `root`; pid 0 is the calling process. Returns 0 or failure->error.
int ReadProcessAt(const char* root, uint32_t pid, uint32_t want, ProcessRow* row, ReadFailure* failure);

// The calling process in /proc, from descriptors that stay open: as ReadProcessAt("/proc", 0, …).
int ReadOwnProcess(uint32_t want, ProcessRow* row, ReadFailure* failure);

// The calling process's resident set in pages, by a descriptor of /proc/self/statm that stays open; or a
// negated errno.
int64_t OwnResidentPages();

}  // namespace percpu
