// Bun's build for musl wants a libstdc++, and Debian has only one for glibc. musl loads that one where these few
// functions, which it does not have, can be found. Enough to run smoke.mjs; never part of the package.
typedef unsigned long size_t;

extern int getentropy(void *buffer, size_t length);
extern size_t strftime_l(char *text, size_t size, const char *format, const void *time, void *locale);

char __libc_single_threaded = 0;
unsigned __cpu_model[4];
unsigned __cpu_features2[4];

unsigned arc4random(void) {
  unsigned value;
  getentropy(&value, sizeof(value));
  return value;
}

size_t __strftime_l(char *text, size_t size, const char *format, const void *time, void *locale) {
  return strftime_l(text, size, format, time, locale);
}

int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *library) {
  return 0;
}

int _dl_find_object(void *address, void *result) {
  return -1;
}

int __cpu_indicator_init(void) {
  return 0;
}

#if defined(__aarch64__)
extern unsigned long getauxval(unsigned long type);

unsigned long __getauxval(unsigned long type) {
  return getauxval(type);
}
#endif
