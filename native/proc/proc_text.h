// Parsers of the files of a process. Every parser takes any bytes of any length, and reads none beyond them.
// It returns false for a text that the man page does not describe; its output is then undefined.
#pragma once

#include <cstddef>
#include <cstdint>

namespace percpu {

constexpr size_t kMaxNameBytes = 64;

// proc_pid_stat(5).
struct StatText {
  int64_t pid;
  char state;
  bool kernel_thread;  // PF_KTHREAD: it has no memory
  int64_t user_ticks;
  int64_t system_ticks;
  int64_t threads;
  int64_t start_ticks;
  int64_t rss_pages;
  // The command name: any bytes, cut off at kMaxNameBytes.
  char name[kMaxNameBytes];
  uint32_t name_bytes;
};
bool ParseStat(const char* text, size_t length, StatText* stat);

// proc_pid_statm(5).
struct StatmText {
  int64_t resident_pages;
  int64_t shared_pages;
};
bool ParseStatm(const char* text, size_t length, StatmText* statm);

// proc_pid_status(5). A line that is missing, as for zombies and kernel threads, is 0.
struct StatusText {
  int64_t file_kib;
  int64_t shmem_kib;
  int64_t swap_kib;
  int64_t page_table_kib;
};
bool ParseStatus(const char* text, size_t length, StatusText* status);

// proc_pid_smaps(5): the Rss line of smaps_rollup.
bool ParseRollup(const char* text, size_t length, int64_t* rss_kib);

// A file that holds one integer.
bool ParseInteger(const char* text, size_t length, int64_t* value);

}  // namespace percpu
