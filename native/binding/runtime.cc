// The parts of the C++ runtime that the addon uses, built on the C library. The addon then needs no
// libstdc++: its version differs from system to system, and some systems have none. native/exports.map hides
// these symbols.
#include <cstdlib>
#include <new>

namespace std {
const nothrow_t nothrow = nothrow_t();
}

// Exceptions are disabled, so a lack of memory cannot be reported.
void* operator new(size_t bytes) {
  void* memory = malloc(bytes);
  if (memory == nullptr) abort();
  return memory;
}

void* operator new[](size_t bytes) {
  return operator new(bytes);
}

void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return malloc(bytes);
}

void operator delete(void* memory) noexcept {
  free(memory);
}

void operator delete(void* memory, size_t) noexcept {
  free(memory);
}

void operator delete[](void* memory) noexcept {
  free(memory);
}

void operator delete[](void* memory, size_t) noexcept {
  free(memory);
}

extern "C" void __cxa_pure_virtual() {
  abort();
}

#if defined(__aarch64__) && !defined(__GLIBC__)
#include <sys/auxv.h>

// libgcc calls this function to learn whether the CPU has atomic instructions. Only glibc has it.
extern "C" unsigned long __getauxval(unsigned long type) {
  return getauxval(type);
}
#endif
