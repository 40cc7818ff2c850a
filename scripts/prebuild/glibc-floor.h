// Included before everything else in builds for glibc: takes the versions of functions that glibc 2.28 has, the
// oldest that Node runs on, where the C library of the building machine would give newer ones. They are the
// same functions: glibc 2.34 moved them from libpthread to libc, 2.32 did so with pthread_sigmask.
#pragma once

#if defined(__x86_64__)
#define PERCPU_OLD_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define PERCPU_OLD_VERSION "GLIBC_2.17"
#endif

#define PERCPU_TAKE_OLD(function) __asm__(".symver " #function "," #function "@" PERCPU_OLD_VERSION)

PERCPU_TAKE_OLD(pthread_create);
PERCPU_TAKE_OLD(pthread_join);
PERCPU_TAKE_OLD(pthread_attr_setstacksize);
PERCPU_TAKE_OLD(pthread_sigmask);
