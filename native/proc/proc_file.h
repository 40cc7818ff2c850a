// Opens and reads the files of a proc tree.
#pragma once

#include <sys/types.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace percpu {

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

inline constexpr const char* kFileNames[] = {"stat",         "statm",         "status",
                                             "smaps_rollup", "oom_score_adj", "oom_score"};
static_assert(sizeof(kFileNames) / sizeof(*kFileNames) == kRoot);

// Larger than any stat, statm or schedstat. status can be longer: its memory lines come before the lists of
// CPUs and nodes that make it long on large machines.
inline constexpr size_t kTextBytes = 4096;

// The directory of a proc tree, open.
struct ProcRoot {
  int fd = -1;
  // The tree is a procfs. Other files may still be mounted over some of its files.
  bool procfs = false;
  // The tree is the procfs at /proc. Only the owner of this mount namespace can mount files there, so its
  // files are trusted to be regular. A file of any other tree may be a FIFO, a device or a link, even in a
  // procfs: another namespace may have mounted it there. Such a file is opened without waiting, and checked.
  bool own = false;

  void Close();
};

// Returns 0 or an errno; nothing is open then.
int OpenRoot(const char* path, ProcRoot* root);

// The path of a process's file, or of one of its threads' files, below the root. `pid` 0 is the calling
// process; `tid` 0 means the process's own file.
struct ProcessPath {
  char text[64];

  ProcessPath(uint32_t pid, uint32_t tid, const char* name);
};

// Opens a file of the kernel's, which is known to be regular. Returns a descriptor or a negated errno.
int OpenTrusted(int directory, const char* path);

// Opens a process's file, with the checks that its tree needs. Returns a descriptor or a negated errno:
// EBADMSG for a file that is not regular.
int OpenProcessFile(const ProcRoot& root, uint32_t pid, uint32_t tid, const char* name);

// Reads from the start of the file. Returns the number of bytes, or a negated errno.
ssize_t ReadText(int fd, char* text, size_t room = kTextBytes);

// This process or the machine has no descriptor left. The error says nothing about the process to be read.
inline bool IsOutOfFiles(int error) {
  return error == EMFILE || error == ENFILE;
}

}  // namespace percpu
