// Scans of real processes that come and go, and what a scanner keeps open.
#include "proc/proc_scanner.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
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
  ListsThisProcess();
  StopsWhenTold();
  SaysWhyARootIsNone();
  LeavesNoChildBehind();
  return 0;
}
