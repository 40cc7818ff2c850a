// Threads of the library's own.
#pragma once

#include <pthread.h>

namespace percpu {

// Starts a thread with a small stack that takes no signals: they are for the threads of the program around
// us. Returns 0 or an errno.
int StartThread(pthread_t* handle, void* (*entry)(void*), void* argument);

}  // namespace percpu
