// Starts the library's threads.
#pragma once

#include <pthread.h>

namespace percpu {

// Starts a thread with a small stack and all signals blocked: signals are for the program's own threads.
// Returns 0 or an errno.
int StartThread(pthread_t* handle, void* (*entry)(void*), void* argument);

}  // namespace percpu
