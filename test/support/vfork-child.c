// A process whose vfork child sleeps in its parent's memory. Prints both pids.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int main(void) {
  const size_t bytes = (size_t)64 << 20;
  char* held = malloc(bytes);
  if (held == NULL) return 1;
  memset(held, 1, bytes);
  printf("%d\n", getpid());
  fflush(stdout);
  const pid_t child = vfork();
  if (child == 0) {
    // Ends by itself where nobody ends it.
    alarm(120);
    char line[32];
    const int length = snprintf(line, sizeof line, "%d\n", getpid());
    if (write(STDOUT_FILENO, line, (size_t)length) != length) _exit(1);
    for (;;) pause();
  }
  return child < 0 || held[bytes - 1] != 1;
}
