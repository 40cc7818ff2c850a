// Scans of real processes that come and go, and what a scanner keeps open.
#include "proc/proc_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "check.h"
#include "proc/accounting_probe.h"

using namespace percpu;

namespace {

constexpr int32_t kGo = 0;
constexpr int32_t kStop = 1;
const int32_t* const kNever[2] = {&kGo, &kGo};

uint32_t Fork() {
  const pid_t child = fork();
  if (child == 0) {
    // Not to outlive a test that fails.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  return static_cast<uint32_t>(child);
}

void End(uint32_t pid) {
  kill(static_cast<pid_t>(pid), SIGKILL);
  waitpid(static_cast<pid_t>(pid), nullptr, 0);
}

uint32_t OpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  uint32_t count = 0;
  while (readdir(directory) != nullptr) count++;
  closedir(directory);
  return count;
}

void KeepsWithinItsBound() {
  constexpr uint32_t kProcesses = 60;
  uint32_t pids[kProcesses];
  for (uint32_t& pid : pids) pid = Fork();
  const uint32_t before = OpenFiles();
  ProcScanner scanner;
  CHECK(scanner.Open("/proc", 100));
  for (int round = 0; round < 20; round++) {
    ProcessRows rows;
    CHECK_EQ(scanner.Scan(pids, kProcesses, 0, kNever, &rows), 0);
    CHECK_EQ(rows.count, kProcesses);
    for (uint32_t i = 0; i < kProcesses; i++) CHECK_EQ(rows.rows[i].pid, pids[i]);
    CHECK(scanner.open_files() <= 99);
    CHECK_EQ(OpenFiles() - before, scanner.open_files());
    // Those that had ended made room for others only at the end of the scan.
    ProcessRows again;
    CHECK_EQ(scanner.Scan(pids, kProcesses, 0, kNever, &again), 0);
    CHECK_EQ(scanner.open_files(), 99u);
    CHECK_EQ(OpenFiles() - before, 99u);
    // One in seven ends, and another one takes its place.
    for (uint32_t i = round % 7; i < kProcesses; i += 7) {
      End(pids[i]);
      pids[i] = Fork();
    }
  }
  for (const uint32_t pid : pids) End(pid);
  ProcessRows rows;
  CHECK_EQ(scanner.Scan(pids, kProcesses, 0, kNever, &rows), 0);
  CHECK_EQ(rows.count, 0u);
  CHECK_EQ(scanner.open_files(), 0u);
  CHECK_EQ(OpenFiles(), before);
}

// Enough for several threads, and every process twice: both places get its row, and one set of files stays
// open.
void SharesTheWork() {
  constexpr uint32_t kProcesses = 200;
  uint32_t pids[2 * kProcesses];
  for (uint32_t i = 0; i < kProcesses; i++) pids[i] = pids[2 * kProcesses - 1 - i] = Fork();
  const uint32_t before = OpenFiles();
  ProcScanner scanner;
  CHECK(scanner.Open("/proc", 3000));
  for (int round = 0; round < 10; round++) {
    ProcessRows rows;
    CHECK_EQ(scanner.Scan(pids, 2 * kProcesses, round % 2 == 0 ? 0 : kWantOom, kNever, &rows), 0);
    CHECK_EQ(rows.count, 2 * kProcesses);
    for (uint32_t i = 0; i < 2 * kProcesses; i++) CHECK_EQ(rows.rows[i].pid, pids[i]);
    CHECK_EQ(scanner.open_files(), kKeptFiles * kProcesses);
    CHECK_EQ(OpenFiles() - before, scanner.open_files());
  }
  // Every second one has ended: its rows are missing in both places, and the others keep their order.
  for (uint32_t i = 0; i < kProcesses; i += 2) End(pids[i]);
  ProcessRows rows;
  CHECK_EQ(scanner.Scan(pids, 2 * kProcesses, 0, kNever, &rows), 0);
  CHECK_EQ(rows.count, kProcesses);
  for (uint32_t i = 0; i < kProcesses / 2; i++) {
    CHECK_EQ(rows.rows[i].pid, pids[2 * i + 1]);
    CHECK_EQ(rows.rows[kProcesses - 1 - i].pid, pids[2 * i + 1]);
  }
  CHECK_EQ(OpenFiles() - before, kKeptFiles * kProcesses / 2);
  for (uint32_t i = 1; i < kProcesses; i += 2) End(pids[i]);
}

// In a child, whose limit is its own.
void GivesBackWhereNoFilesAreLeft() {
  uint32_t pids[40];
  for (uint32_t& pid : pids) pid = Fork();
  const pid_t child = fork();
  if (child == 0) {
    ProcScanner scanner;
    CHECK(scanner.Open("/proc", 21));
    ProcessRows first;
    CHECK_EQ(scanner.Scan(pids, 40, 0, kNever, &first), 0);
    CHECK_EQ(scanner.open_files(), 21u);
    const rlimit limit = {100, 100};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (open("/proc/self/stat", O_RDONLY) >= 0) {
    }
    ProcessRows second;
    CHECK_EQ(scanner.Scan(pids, 40, kWantRollup, kNever, &second), 0);
    CHECK_EQ(second.count, 40u);
    for (size_t i = 0; i < second.count; i++) CHECK(second.rows[i].rollup_kib >= 0);
    scanner.CloseFiles();
    // Some free, but too few for all that is wanted at a time: an error, and never fewer processes.
    for (int free_files = 0; free_files < 3; free_files++) {
      while (open("/proc/self/stat", O_RDONLY) >= 0) {
      }
      for (int fd = 0; fd < free_files; fd++) close(99 - fd);
      ProcScanner keeps_none;
      CHECK(keeps_none.Open("/proc", 0));
      ProcessRows third;
      const int error = keeps_none.Scan(pids, 40, 0, kNever, &third);
      CHECK_EQ(error, EMFILE);
      CHECK_EQ(third.count, 0u);
    }
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  for (const uint32_t pid : pids) End(pid);
}

// Forks until the new process has this pid; 0 where the pid cannot be chosen (no CAP_CHECKPOINT_RESTORE) or
// others keep taking it.
uint32_t ForkWithPid(uint32_t pid) {
  for (int attempt = 0; attempt < 20; attempt++) {
    FILE* last = fopen("/proc/sys/kernel/ns_last_pid", "w");
    if (last == nullptr) return 0;
    fprintf(last, "%u", pid - 1);
    if (fclose(last) != 0) return 0;
    const uint32_t child = Fork();
    if (child == pid) return child;
    End(child);
  }
  return 0;
}

// A pid that has a new owner between two files, and between two scans.
void KnowsThePidsNewOwner() {
  const uint32_t pid = Fork();
  const int root_fd = open("/proc", O_RDONLY | O_DIRECTORY);
  ProcScanner scanner;
  CHECK(scanner.Open("/proc", 30));
  ProcessRows before;
  CHECK_EQ(scanner.Scan(&pid, 1, 0, kNever, &before), 0);
  CHECK_EQ(before.count, 1u);
  KeptDescriptors only_stat;
  char path[32];
  snprintf(path, sizeof(path), "/proc/%u/stat", pid);
  only_stat.fd[kStat] = open(path, O_RDONLY);
  // The clock that tells them apart has ticks of 10 ms.
  usleep(30'000);
  End(pid);
  if (ForkWithPid(pid) == 0) {
    printf("skipped: a process cannot be given a pid here\n");
  } else {
    ProcessRow row;
    ReadFailure failure;
    CHECK_EQ(ReadProcess(root_fd, pid, only_stat, 0, &row, &failure), ESRCH);
    CHECK_EQ(failure.file, kStat);
    ProcessRows after;
    CHECK_EQ(scanner.Scan(&pid, 1, 0, kNever, &after), 0);
    CHECK_EQ(after.count, 1u);
    CHECK_EQ(after.rows[0].pid, pid);
    CHECK(after.rows[0].start_ticks > before.rows[0].start_ticks);
    End(pid);
  }
  only_stat.Close();
  close(root_fd);
}

void ListsThisProcess() {
  ProcScanner scanner;
  CHECK(scanner.Open("/proc", 0));
  ProcessRows rows;
  CHECK_EQ(scanner.Scan(nullptr, 0, kWantRollup | kWantOom, kNever, &rows), 0);
  bool found = false;
  for (size_t i = 0; i < rows.count; i++) {
    if (i > 0) CHECK(rows.rows[i - 1].pid < rows.rows[i].pid);
    if (rows.rows[i].pid != getpid()) continue;
    found = true;
    CHECK(rows.rows[i].resident_pages > 0);
    CHECK(rows.rows[i].rollup_kib > 0);
  }
  CHECK(found);
  CHECK(OwnResidentPages() > 0);
}

// A directory without any process, as where /proc is hidden.
void ListsNobody() {
  ProcScanner scanner;
  CHECK(scanner.Open("/proc/self/net", 30));
  ProcessRows rows;
  CHECK_EQ(scanner.Scan(nullptr, 0, 0, kNever, &rows), 0);
  CHECK_EQ(rows.count, 0u);
}

void StopsWhenTold() {
  ProcScanner scanner;
  CHECK(scanner.Open("/proc", 30));
  ProcessRows rows;
  const int32_t* const stop[2] = {&kGo, &kStop};
  CHECK_EQ(scanner.Scan(nullptr, 0, 0, stop, &rows), ECANCELED);
  CHECK_EQ(rows.count, 0u);
}

void SaysWhyARootIsNone() {
  ProcScanner scanner;
  CHECK(scanner.Open("/proc/self/nowhere", 0));
  ProcessRows rows;
  CHECK_EQ(scanner.Scan(nullptr, 0, 0, kNever, &rows), ENOENT);
  ProcScanner file;
  CHECK(file.Open("/proc/self/stat", 0));
  CHECK_EQ(file.Scan(nullptr, 0, 0, kNever, &rows), ENOTDIR);
}

void LeavesNoChildBehind() {
  DriftObservations seen;
  const int error = ProbeAccounting(0, 0, 32, &seen);
  // A sandbox may forbid the child, or CPU 0.
  if (error == 0) CHECK(seen.drift > 0);
  CHECK_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
}

}  // namespace

int main() {
  KeepsWithinItsBound();
  SharesTheWork();
  GivesBackWhereNoFilesAreLeft();
  KnowsThePidsNewOwner();
  ListsThisProcess();
  ListsNobody();
  StopsWhenTold();
  SaysWhyARootIsNone();
  LeavesNoChildBehind();
  return 0;
}
