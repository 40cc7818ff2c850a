// degrade [--refuse CALL=ERRNO]… [--hide DIRECTORY]… [--no-vdso] -- PROGRAM [ARGUMENTS]
// Runs a program in a poorer environment: system calls that fail with an errno (a seccomp filter),
// directories that are empty, no vDSO, so that getcpu is a system call that can be refused. Status 125: it
// cannot be had here, for the reason on stderr.
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kImpossible = 125;

[[noreturn]] void GiveUp(const char* what) {
  fprintf(stderr, "degrade: %s: %s\n", what, strerror(errno));
  exit(kImpossible);
}

struct Call {
  const char* name;
  uint32_t number;
};
constexpr Call kCalls[] = {
    {"rseq", SYS_rseq},
    {"getcpu", SYS_getcpu},
    {"sched_setaffinity", SYS_sched_setaffinity},
    {"sched_getaffinity", SYS_sched_getaffinity},
    {"mbind", SYS_mbind},
};

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

void Refuse(const char* setting) {
  const char* equals = strchr(setting, '=');
  const Call* call = nullptr;
  for (const Call& known : kCalls) {
    const size_t length = strlen(known.name);
    if (equals == setting + length && strncmp(known.name, setting, length) == 0) call = &known;
  }
  if (call == nullptr) {
    errno = EINVAL;
    GiveUp(setting);
  }
  const auto error = static_cast<uint32_t>(atoi(equals + 1));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) GiveUp("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) GiveUp("seccomp");
}

void Hide(const char* directory) {
  static bool unshared = false;
  if (!unshared && unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    GiveUp("a mount namespace");
  }
  if (!unshared && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) GiveUp("private mounts");
  unshared = true;
  if (mount("none", directory, "tmpfs", 0, "size=4k") != 0) GiveUp(directory);
}

#if defined(__x86_64__)
// Strikes the vDSO out of the auxiliary vector of a process that has just been loaded.
void StrikeVdso(pid_t child) {
  user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, child, nullptr, &registers) != 0) GiveUp("registers");
  // The stack: argc, arguments, null, environment, null, pairs of words.
  auto at = static_cast<uint64_t>(registers.rsp);
  const auto peek = [child](uint64_t address) {
    return static_cast<uint64_t>(ptrace(PTRACE_PEEKDATA, child, address, nullptr));
  };
  at += 8 * (peek(at) + 2);
  while (peek(at) != 0) at += 8;
  for (at += 8; peek(at) != AT_NULL; at += 16) {
    if (peek(at) == AT_SYSINFO_EHDR && ptrace(PTRACE_POKEDATA, child, at, AT_IGNORE) != 0) GiveUp("the vDSO");
  }
}

// The program runs as a child then; this process ends as it does.
[[noreturn]] void RunWithoutVdso(char** argv) {
  const pid_t child = fork();
  if (child < 0) GiveUp("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) GiveUp("ptrace");
    execvp(argv[0], argv);
    GiveUp(argv[0]);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) GiveUp("waitpid");
  if (WIFEXITED(status)) exit(WEXITSTATUS(status));
  StrikeVdso(child);
  ptrace(PTRACE_DETACH, child, nullptr, nullptr);
  if (waitpid(child, &status, 0) != child) GiveUp("waitpid");
  if (WIFSIGNALED(status)) raise(WTERMSIG(status));
  exit(WEXITSTATUS(status));
}
#else
[[noreturn]] void RunWithoutVdso(char**) {
  errno = ENOSYS;
  GiveUp("striking out the vDSO");
}
#endif

}  // namespace

int main(int argc, char** argv) {
  bool vdso = true;
  int at = 1;
  // Directories first: a filter must not stand in the way of hiding them.
  for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
    if (strcmp(argv[at], "--no-vdso") == 0) vdso = false;
    if (strcmp(argv[at], "--hide") == 0 && at + 1 < argc) Hide(argv[++at]);
  }
  for (int i = 1; i < at; i++) {
    if (strcmp(argv[i], "--refuse") == 0) Refuse(argv[i + 1]);
  }
  if (at + 1 >= argc) {
    fprintf(stderr, "usage: degrade [--refuse CALL=ERRNO] [--hide DIRECTORY] [--no-vdso] -- PROGRAM\n");
    return 2;
  }
  if (!vdso) RunWithoutVdso(argv + at + 1);
  execvp(argv[at + 1], argv + at + 1);
  GiveUp(argv[at + 1]);
}
