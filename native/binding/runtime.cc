// What the addon uses of the C++ runtime, made of the C library alone: it then needs no libstdc++, which
// every system has in another version and some have not at all. native/exports.map keeps these to the addon.
#include <cstdlib>
#include <new>

namespace std {
const nothrow_t nothrow = nothrow_t();
}

// There are no exceptions to say that memory is out.
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

// libgcc asks the C library by this name, which only glibc has, whether the CPU has atomic instructions.
extern "C" unsigned long __getauxval(unsigned long type) {
  return getauxval(type);
}
#endif
