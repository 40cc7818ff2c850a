#include "proc/proc_text.h"

#include <cstring>

namespace percpu {

namespace {

constexpr int64_t kMaxCount = 9007199254740991;  // 2^53 - 1: a double holds it exactly
constexpr int64_t kPfKthread = 0x00200000;

// A position in bytes that end at `end`.
struct Cursor {
  const char* at;
  const char* end;

  bool Done() const { return at == end; }
  bool Is(char c) const { return at != end && *at == c; }
};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Reads one digit or more, up to another character or the end.
bool ReadCount(Cursor* cursor, int64_t* count) {
  if (cursor->Done() || !IsDigit(*cursor->at)) return false;
  int64_t value = 0;
  for (; !cursor->Done() && IsDigit(*cursor->at); cursor->at++) {
    value = value * 10 + (*cursor->at - '0');
    if (value > kMaxCount) return false;
  }
  *count = value;
  return true;
}

// Moves behind the next space. Fields are short: a call of memchr() would cost more.
bool SkipField(Cursor* cursor) {
  while (!cursor->Done()) {
    if (*cursor->at++ == ' ') return true;
  }
  return false;
}

// Reads a number and the space behind it. The space shows that the number is not cut off.
bool ReadField(Cursor* cursor, int64_t* count) {
  if (!ReadCount(cursor, count) || !cursor->Is(' ')) return false;
  cursor->at++;
  return true;
}

bool SkipFields(Cursor* cursor, int fields) {
  for (; fields > 0; fields--) {
    if (!SkipField(cursor)) return false;
  }
  return true;
}

// Reads spaces or tabs, a number, " kB" and the end of the line.
bool ReadKiB(Cursor cursor, int64_t* kib) {
  while (cursor.Is(' ') || cursor.Is('\t')) cursor.at++;
  return ReadCount(&cursor, kib) && cursor.end - cursor.at >= 4 && memcmp(cursor.at, " kB\n", 4) == 0;
}

// If the line at the cursor begins with `key`, reads its figure. Returns false if that is not a figure.
bool ReadIfKey(const Cursor& line, const char* key, size_t key_bytes, int64_t* kib, bool* found) {
  if (static_cast<size_t>(line.end - line.at) < key_bytes || memcmp(line.at, key, key_bytes) != 0)
    return true;
  // Of two lines with the same key the first one counts.
  if (*found) return true;
  *found = true;
  return ReadKiB({line.at + key_bytes, line.end}, kib);
}

// Moves to the beginning of the next line. Returns false if there is none.
bool NextLine(Cursor* cursor) {
  const void* newline = memchr(cursor->at, '\n', static_cast<size_t>(cursor->end - cursor->at));
  if (newline == nullptr) return false;
  cursor->at = static_cast<const char*>(newline) + 1;
  return true;
}

}  // namespace

bool ParseStat(const char* text, size_t length, StatText* stat) {
  Cursor cursor{text, text + length};
  if (!ReadCount(&cursor, &stat->pid)) return false;
  const void* opening = memchr(text, '(', length);
  const void* closing = memrchr(text, ')', length);
  if (opening == nullptr || closing == nullptr || closing < opening) return false;
  const char* name = static_cast<const char*>(opening) + 1;
  const char* name_end = static_cast<const char*>(closing);
  // Only spaces may stand between the pid and the name.
  for (; cursor.at != name - 1; cursor.at++) {
    if (*cursor.at != ' ') return false;
  }
  const auto name_bytes = static_cast<size_t>(name_end - name);
  stat->name_bytes = static_cast<uint32_t>(name_bytes < kMaxNameBytes ? name_bytes : kMaxNameBytes);
  memcpy(stat->name, name, stat->name_bytes);
  cursor.at = name_end + 1;
  if (!cursor.Is(' ')) return false;
  cursor.at++;
  if (cursor.Done()) return false;
  const char lower = static_cast<char>(*cursor.at | 0x20);
  if (lower < 'a' || lower > 'z') return false;
  stat->state = *cursor.at++;
  if (!cursor.Is(' ')) return false;
  cursor.at++;
  // The cursor is at field 4. Fields to read: 9 flags, 14 utime, 15 stime, 20 num_threads, 22 starttime, 24
  // rss.
  int64_t flags;
  if (!SkipFields(&cursor, 5) || !ReadField(&cursor, &flags)) return false;
  if (!SkipFields(&cursor, 4) || !ReadField(&cursor, &stat->user_ticks)) return false;
  if (!ReadField(&cursor, &stat->system_ticks)) return false;
  if (!SkipFields(&cursor, 4) || !ReadField(&cursor, &stat->threads)) return false;
  if (!SkipFields(&cursor, 1) || !ReadField(&cursor, &stat->start_ticks)) return false;
  if (!SkipFields(&cursor, 1) || !ReadField(&cursor, &stat->rss_pages)) return false;
  stat->kernel_thread = (flags & kPfKthread) != 0;
  return true;
}

bool ParseStatm(const char* text, size_t length, StatmText* statm) {
  Cursor cursor{text, text + length};
  int64_t size;
  if (!ReadField(&cursor, &size) || !ReadField(&cursor, &statm->resident_pages) ||
      !ReadField(&cursor, &statm->shared_pages)) {
    return false;
  }
  // A file with fewer than seven fields is cut off.
  return SkipFields(&cursor, 3) && !cursor.Done() && IsDigit(*cursor.at);
}

bool ParseStatus(const char* text, size_t length, StatusText* status) {
  struct Key {
    const char* name;
    size_t bytes;
    int64_t StatusText::*kib;
  };
  // The first four letters, one comparison, tell each key from every other line.
  static constexpr Key kKeys[] = {{"RssFile:", 8, &StatusText::file_kib},
                                  {"RssShmem:", 9, &StatusText::shmem_kib},
                                  {"VmPTE:", 6, &StatusText::page_table_kib},
                                  {"VmSwap:", 7, &StatusText::swap_kib}};
  constexpr uint32_t kAll = (1u << (sizeof(kKeys) / sizeof(Key))) - 1;
  *status = {};
  uint32_t found = 0;
  Cursor cursor{text, text + length};
  // VmSwap is the last of them in the file. The long rest is not read.
  do {
    if (cursor.end - cursor.at < 4) break;
    for (uint32_t i = 0; i < sizeof(kKeys) / sizeof(Key); i++) {
      const Key& key = kKeys[i];
      if (memcmp(cursor.at, key.name, 4) != 0) continue;
      bool known = (found >> i & 1) != 0;
      if (!ReadIfKey(cursor, key.name, key.bytes, &(status->*key.kib), &known)) return false;
      found |= static_cast<uint32_t>(known) << i;
    }
  } while (found != kAll && NextLine(&cursor));
  return true;
}

bool ParseRollup(const char* text, size_t length, int64_t* rss_kib) {
  Cursor cursor{text, text + length};
  bool found = false;
  do {
    if (!ReadIfKey(cursor, "Rss:", 4, rss_kib, &found)) return false;
  } while (!found && NextLine(&cursor));
  return found;
}

bool ParseInteger(const char* text, size_t length, int64_t* value) {
  if (length > 0 && text[length - 1] == '\n') length--;
  Cursor cursor{text, text + length};
  const bool negative = cursor.Is('-');
  if (negative) cursor.at++;
  int64_t count;
  if (cursor.end - cursor.at > 15 || !ReadCount(&cursor, &count) || !cursor.Done()) return false;
  *value = negative ? -count : count;
  return true;
}

}  // namespace percpu
