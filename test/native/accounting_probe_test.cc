// The child that the accounting probe makes: it is gone afterwards, and hears none of its parent's signals.
#include "proc/accounting_probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <initializer_list>

#include "check.h"

using namespace percpu;

namespace {

pid_t parent;
// A pipe, as libuv's: the child has it as well. The handler writes who has heard.
int heard[2];
// Not 0: no more signals. Relaxed: nothing else goes with it.
int enough = 0;

void OnSignal(int) {
  const int error = errno;
  // Not getpid(), which C libraries have been known to remember.
  const char who = syscall(SYS_getpid) == parent ? 'p' : 'c';
  // It may be full, of what has been told already.
  [[maybe_unused]] const ssize_t written = write(heard[1], &who, 1);
  errno = error;
}

void* SignalTheGroup(void*) {
  while (__atomic_load_n(&enough, __ATOMIC_RELAXED) == 0) {
    kill(0, SIGUSR1);
    usleep(50);
  }
  return nullptr;
}

// In a process group of its own, so that no other program gets the signals.
void HearsNoSignals() {
  const pid_t child = fork();
  if (child == 0) {
    CHECK_EQ(setpgid(0, 0), 0);
    parent = getpid();
    CHECK_EQ(pipe2(heard, O_NONBLOCK), 0);
    struct sigaction action = {};
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART;
    CHECK_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    pthread_t sender;
    CHECK_EQ(pthread_create(&sender, nullptr, SignalTheGroup, nullptr), 0);
    int by_parent = 0;
    for (int round = 0; round < 20; round++) {
      DriftObservations seen;
      const int error = ProbeAccounting(0, 0, 32, &seen);
      if (error != 0) printf("the probe is refused here: errno %d\n", error);
      char who[4096];
      ssize_t count;
      while ((count = read(heard[0], who, sizeof(who))) > 0) {
        for (ssize_t i = 0; i < count; i++) CHECK_EQ(who[i], 'p');
        by_parent += count;
      }
    }
    __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
    pthread_join(sender, nullptr);
    // The parent's own are open again.
    CHECK(by_parent > 0);
    sigset_t blocked;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &blocked), 0);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) CHECK_EQ(sigismember(&blocked, signal), 0);
    _exit(0);
  }
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
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
  HearsNoSignals();
  LeavesNoChildBehind();
  return 0;
}
