// Scans of real processes that come and go, and what a scanner keeps open.
#include "proc/proc_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "check.h"
#include "proc/own_process.h"

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
    CHECK(scanner.open_files() <= 100);
    CHECK_EQ(OpenFiles() - before, scanner.open_files());
    // Those that had ended made room for others only at the end of the scan.
    ProcessRows again;
    CHECK_EQ(scanner.Scan(pids, kProcesses, 0, kNever, &again), 0);
    CHECK_EQ(scanner.open_files(), 100u);
    CHECK_EQ(OpenFiles() - before, 100u);
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
    CHECK_EQ(scanner.open_files(), kKeptDescriptors * kProcesses);
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
  CHECK_EQ(OpenFiles() - before, kKeptDescriptors * kProcesses / 2);
  for (uint32_t i = 1; i < kProcesses; i += 2) End(pids[i]);
}

// In a child, whose limit is its own.
void GivesBackWhereNoFilesAreLeft() {
  uint32_t pids[40];
  for (uint32_t& pid : pids) pid = Fork();
  const pid_t child = fork();
  if (child == 0) {
    ProcScanner scanner;
    CHECK(scanner.Open("/proc", 21));  // five processes' four each
    ProcessRows first;
    CHECK_EQ(scanner.Scan(pids, 40, 0, kNever, &first), 0);
    CHECK_EQ(scanner.open_files(), 20u);
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
  ProcRoot root;
  CHECK_EQ(OpenRoot("/proc", &root), 0);
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
    CHECK_EQ(ReadProcess(root, pid, only_stat, nullptr, 0, &row, &failure), ESRCH);
    CHECK_EQ(failure.file, kStat);
    ProcessRows after;
    CHECK_EQ(scanner.Scan(&pid, 1, 0, kNever, &after), 0);
    CHECK_EQ(after.count, 1u);
    CHECK_EQ(after.rows[0].pid, pid);
    CHECK(after.rows[0].start_ticks > before.rows[0].start_ticks);
    End(pid);
  }
  only_stat.Close();
  root.Close();
}

// A child that does something to its memory each time it is told to.
struct Worker {
  uint32_t pid;
  int commands;
  int answers;

  void Tell(char command) const {
    char answer;
    CHECK_EQ(write(commands, &command, 1), 1);
    CHECK_EQ(read(answers, &answer, 1), 1);
    // It has answered, and is on its way back to sleep.
    usleep(20'000);
  }
};

constexpr size_t kSwapped = 64 * 4096;

// 's': pages of shared memory, 'f': as many of a file instead; 't': one thread more; 'b': busy from now on.
[[noreturn]] void Obey(int commands, int answers) {
  char path[] = "/tmp/percpu-test-XXXXXX";
  const int file = mkstemp(path);
  unlink(path);
  static char text[kSwapped];
  CHECK_EQ(write(file, text, kSwapped), kSwapped);
  void* of_file = mmap(nullptr, kSwapped, PROT_READ, MAP_PRIVATE, file, 0);
  void* shared = mmap(nullptr, kSwapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const auto touch = [](void* from) {
    for (size_t at = 0; at < kSwapped; at += 4096) (void)static_cast<volatile char*>(from)[at];
  };
  // All page tables are there from now on.
  touch(shared);
  touch(of_file);
  madvise(of_file, kSwapped, MADV_DONTNEED);
  volatile bool busy = false;
  for (char command;;) {
    CHECK_EQ(read(commands, &command, 1), 1);
    if (command == 's' || command == 'f') {
      madvise(command == 's' ? of_file : shared, kSwapped, MADV_DONTNEED);
      touch(command == 's' ? shared : of_file);
    }
    pthread_t thread;
    if (command == 't')
      pthread_create(
          &thread, nullptr, [](void*) -> void* { return pause(), nullptr; }, nullptr);
    CHECK_EQ(write(answers, &command, 1), 1);
    busy = command == 'b';
    while (busy) {
    }
  }
}

Worker StartWorker() {
  int commands[2];
  int answers[2];
  CHECK_EQ(pipe(commands), 0);
  CHECK_EQ(pipe(answers), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Obey(commands[0], answers[1]);
  }
  close(commands[0]);
  close(answers[1]);
  return {static_cast<uint32_t>(child), commands[1], answers[0]};
}

// The files are read again after a run, though statm says what it said before; and not after none.
void ReadsAgainAfterARun() {
  const Worker worker = StartWorker();
  ProcRoot root;
  CHECK_EQ(OpenRoot("/proc", &root), 0);
  KeptDescriptors kept;
  CHECK_EQ(OpenKept(root, worker.pid, true, &kept), 0);
  LastReading last;
  const auto look = [&] {
    ProcessRow row;
    ReadFailure failure;
    CHECK_EQ(ReadProcess(root, worker.pid, kept, &last, kWantStatus, &row, &failure), 0);
    return row;
  };
  const double kib = kSwapped / 1024;
  worker.Tell('f');
  worker.Tell('s');
  const ProcessRow first = look();
  CHECK(first.shmem_kib >= kib);
  if (last.uses_left == 0) {
    printf("skipped: this kernel does not tell whether a process has run\n");
  } else {
    // A figure that no file ever said shows where it is taken from.
    const double file = first.file_kib;
    last.row.file_kib = 4711;
    uint32_t looks = 0;
    while (last.uses_left > 0) {
      const ProcessRow row = look();
      CHECK_EQ(row.file_kib, 4711);
      CHECK_EQ(row.shmem_kib, first.shmem_kib);
      CHECK_EQ(row.resident_pages, first.resident_pages);
      looks++;
    }
    CHECK(looks >= 16 && looks < 32);
    CHECK_EQ(look().file_kib, file);
    CHECK(last.uses_left > 0);

    uint32_t same_statm = 0;
    for (int turn = 0; turn < 20; turn++) {
      const ProcessRow before = look();
      const bool to_file = turn % 2 == 0;
      worker.Tell(to_file ? 'f' : 's');
      const ProcessRow after = look();
      CHECK_EQ(after.file_kib - before.file_kib, to_file ? kib : -kib);
      CHECK_EQ(after.shmem_kib - before.shmem_kib, to_file ? -kib : kib);
      same_statm += after.resident_pages == before.resident_pages;
    }
    CHECK(same_statm > 0);

    // Other threads may change what this one's figures say nothing about.
    worker.Tell('t');
    look();
    CHECK_EQ(last.uses_left, 0u);
  }
  kept.Close();
  End(worker.pid);

  const Worker busy = StartWorker();
  CHECK_EQ(OpenKept(root, busy.pid, true, &kept), 0);
  busy.Tell('b');
  ProcessRow row;
  ReadFailure failure;
  last = LastReading();
  CHECK_EQ(ReadProcess(root, busy.pid, kept, &last, kWantStatus, &row, &failure), 0);
  CHECK_EQ(row.state, 'R');
  CHECK_EQ(last.uses_left, 0u);
  kept.Close();
  End(busy.pid);
  root.Close();
  for (const int fd : {worker.commands, worker.answers, busy.commands, busy.answers}) close(fd);
}

constexpr size_t kHeldBytes = 8 << 20;

// A process of which only the second thread is left, and that holds so much.
uint32_t ForkWithoutFirstThread() {
  static int ready[2];
  CHECK_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto hold = [](void*) -> void* {
      constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
      CHECK(mmap(nullptr, kHeldBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0) != MAP_FAILED);
      CHECK_EQ(write(ready[1], "", 1), 1);
      for (;;) pause();
    };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, hold, nullptr), 0);
    pthread_exit(nullptr);
  }
  char byte;
  CHECK_EQ(read(ready[0], &byte, 1), 1);
  for (const int fd : ready) close(fd);
  // Both threads have done their part when the first one's state is that of a zombie, and soon after.
  char path[32];
  snprintf(path, sizeof(path), "/proc/%d/stat", child);
  for (char state = ' '; state != 'Z'; usleep(20'000)) {
    FILE* stat = fopen(path, "r");
    CHECK(stat != nullptr && fscanf(stat, "%*d %*s %c", &state) == 1);
    fclose(stat);
  }
  return static_cast<uint32_t>(child);
}

void FindsTheMemoryOfOtherThreads() {
  const uint32_t pid = ForkWithoutFirstThread();
  for (const uint32_t max_open_files : {0u, 30u}) {
    ProcScanner scanner;
    CHECK(scanner.Open("/proc", max_open_files));
    for (int scan = 0; scan < 3; scan++) {
      ProcessRows rows;
      CHECK_EQ(scanner.Scan(&pid, 1, kWantRollup | kWantOom, kNever, &rows), 0);
      CHECK_EQ(rows.count, 1u);
      const ProcessRow& row = rows.rows[0];
      CHECK_EQ(row.pid, pid);
      CHECK(row.state != 'Z');
      CHECK_EQ(row.rollup_kib * 1024, row.resident_pages * getpagesize());
      CHECK((row.resident_pages - row.shared_pages) * getpagesize() >= kHeldBytes);
    }
  }
  End(pid);
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

}  // namespace

int main() {
  KeepsWithinItsBound();
  SharesTheWork();
  GivesBackWhereNoFilesAreLeft();
  KnowsThePidsNewOwner();
  ReadsAgainAfterARun();
  FindsTheMemoryOfOtherThreads();
  ListsThisProcess();
  ListsNobody();
  StopsWhenTold();
  SaysWhyARootIsNone();
  return 0;
}
