// Reads the files of one process into a row. No file stays open here between two calls, and nothing is
// remembered: proc_scanner.h does both.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proc/proc_file.h"
#include "proc/process_row.h"

namespace percpu {

// stat, statm and status are the files that can stay open between scans.
inline constexpr uint32_t kKeptFiles = 3;

// Descriptors that a kept process takes at most: those of the three files, and schedstat's.
inline constexpr uint32_t kKeptDescriptors = 4;

// Bits of `want`: what to read besides the figures of stat and statm.
inline constexpr uint32_t kWantRollup = 1;
inline constexpr uint32_t kWantOom = 2;
inline constexpr uint32_t kWantStatus = 4;
inline constexpr uint32_t kWantCpu = 8;

// The bits whose figures do not change while a process is idle: a LastReading has them.
inline constexpr uint32_t kWantLasting = kWantStatus | kWantCpu;

// A failure in one number: error + kErrnos * file. There are fewer errnos.
// lib/proc/files/reader-native.ts takes it apart.
inline constexpr int32_t kErrnos = 4096;

struct ReadFailure {
  // An errno. EBADMSG: the file is not regular, or its content is not as the man page describes.
  int error = 0;
  ProcessFile file = kStat;
};

// Descriptors of a process's first three files and of its schedstat; -1: not open.
struct KeptDescriptors {
  int fd[kKeptFiles] = {-1, -1, -1};
  int schedstat = -1;

  bool open() const { return fd[0] >= 0; }
  uint32_t count() const;
  void Close();
};

// What a process's files said last, and the evidence that they would say the same again. Most processes
// sleep. Reading the two short files of the evidence costs an eighth of reading the three.
//
// The figures of a process change when it runs, and when another process takes memory from it or gives it
// some, as reclaim does. statm shows the second. schedstat shows the first: its CPU time grows when a run
// ends, and its number of runs grows when one begins. The evidence is read before the other files. It proves
// that nothing ran during the reading if it is the same at the next reading, and if stat, read last, showed a
// single thread asleep: a run under way during the reading would have ended since, and only a run can create
// a thread or a vfork child.
//
// Three cases escape. A process may share its memory with another one other than by threads or vfork. Another
// process may change the memory and leave statm as it was: a debugger brings in one page for each page that
// is swapped out. A CPU may go offline: its part of the flat counters then moves to where stat sees it. For
// these cases the files are read again after a number of uses.
struct LastReading {
  char evidence[96];            // the text of statm, then that of schedstat
  uint32_t evidence_bytes = 0;  // 0: the texts prove nothing, or are too long
  uint32_t uses_left = 0;
  uint32_t want = 0;  // what `row` was read with
  ProcessRow row;
};

// Reads the process `pid` of a proc tree; 0 is the calling process. Files that are not kept are opened by
// their paths. stat is open from the start and is read last. If that read succeeds, the process existed
// throughout, and no other process had its pid. `last` is what the kept descriptors showed before; with
// nullptr every file is read. Returns 0 or failure->error. A rollup that cannot be read is no failure, unless
// no descriptor is left.
int ReadProcess(const ProcRoot& root, uint32_t pid, const KeptDescriptors& kept, LastReading* last,
                uint32_t want, ProcessRow* row, ReadFailure* failure);

// Opens a process's first three files to be kept, and schedstat if asked to and if there is one. Returns 0 or
// an errno; nothing is open then.
int OpenKept(const ProcRoot& root, uint32_t pid, bool with_schedstat, KeptDescriptors* kept);

// Reads one process of the tree at `root`; pid 0 is the calling process. Returns 0 or failure->error.
int ReadProcessAt(const char* root, uint32_t pid, uint32_t want, ProcessRow* row, ReadFailure* failure);

}  // namespace percpu
