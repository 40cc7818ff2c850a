#include "cpu/thread.h"

#include <csignal>

namespace percpu {

namespace {

// The library's threads need little stack. Thousands with the default of 8 MiB would take much address space.
constexpr size_t kStackBytes = 256 * 1024;

}  // namespace

int StartThread(pthread_t* handle, void* (*entry)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return error;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(handle, &attributes, entry, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace percpu
