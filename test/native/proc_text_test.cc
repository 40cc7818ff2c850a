// The parsers of /proc: what they read, and that no byte beyond the end is looked at.
#include "proc/proc_text.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "check.h"

using namespace percpu;

namespace {

// A copy that ends where the memory does, so that a sanitizer sees every read beyond it.
struct Exact {
  char* text;
  size_t length;

  Exact(const char* from, size_t bytes) : text(static_cast<char*>(malloc(bytes))), length(bytes) {
    memcpy(text, from, bytes);
  }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() { free(text); }
};

constexpr char kStat[] =
    "17080 (a (b) c) S 17074 17074 14516 0 -1 2097216 101 0 0 0 37 12 0 0 20 0 3 0 395558 3133440 410 "
    "18446744073709551615 94580390232064 0\n";
constexpr char kStatm[] = "765 410 390 5 0 93 0\n";
constexpr char kStatus[] =
    "Name:\tRssAnon:\nState:\tS (sleeping)\nVmRSS:\t 9 kB\nRssAnon:\t     112 kB\nRssFile:\t    1528 kB\n"
    "RssShmem:\t       3 kB\nVmPTE:\t      52 kB\nVmSwap:\t       7 kB\nThreads:\t1\n";
constexpr char kRollup[] = "5604-7fff ---p 00000000 00:00 0  [rollup]\nRss:\t    1640 kB\nPss:\t 100 kB\n";

void ReadsEveryField() {
  StatText stat;
  CHECK(ParseStat(kStat, strlen(kStat), &stat));
  CHECK_EQ(stat.pid, 17080);
  CHECK_EQ(stat.state, 'S');
  CHECK(stat.kernel_thread);
  CHECK_EQ(stat.user_ticks, 37);
  CHECK_EQ(stat.system_ticks, 12);
  CHECK_EQ(stat.threads, 3);
  CHECK_EQ(stat.start_ticks, 395558);
  CHECK_EQ(stat.rss_pages, 410);
  CHECK_EQ(stat.name_bytes, 7u);
  CHECK(memcmp(stat.name, "a (b) c", 7) == 0);

  StatmText statm;
  CHECK(ParseStatm(kStatm, strlen(kStatm), &statm));
  CHECK_EQ(statm.resident_pages, 410);
  CHECK_EQ(statm.shared_pages, 390);

  StatusText status;
  CHECK(ParseStatus(kStatus, strlen(kStatus), &status));
  CHECK_EQ(status.file_kib, 1528);
  CHECK_EQ(status.shmem_kib, 3);
  CHECK_EQ(status.page_table_kib, 52);
  CHECK_EQ(status.swap_kib, 7);

  int64_t kib;
  CHECK(ParseRollup(kRollup, strlen(kRollup), &kib));
  CHECK_EQ(kib, 1640);

  int64_t value;
  CHECK(ParseInteger("-1000\n", 6, &value));
  CHECK_EQ(value, -1000);
  CHECK(ParseInteger("7", 1, &value));
  CHECK_EQ(value, 7);
}

void SurvivesEveryTruncation() {
  for (size_t length = 0; length <= strlen(kStat); length++) {
    const Exact cut(kStat, length);
    StatText stat;
    // Field 24 is whole once the space behind it is there.
    const bool whole = length >= static_cast<size_t>(strstr(kStat, " 410 ") + 5 - kStat);
    CHECK_EQ(ParseStat(cut.text, cut.length, &stat), whole);
  }
  for (size_t length = 0; length < strlen(kStatm); length++) {
    const Exact cut(kStatm, length);
    StatmText statm;
    CHECK_EQ(ParseStatm(cut.text, cut.length, &statm), length >= strlen(kStatm) - 1);
  }
  for (size_t length = 0; length <= strlen(kStatus); length++) {
    const Exact cut(kStatus, length);
    StatusText status;
    ParseStatus(cut.text, cut.length, &status);
  }
  for (size_t length = 0; length <= strlen(kRollup); length++) {
    const Exact cut(kRollup, length);
    int64_t kib;
    const bool whole = length >= static_cast<size_t>(strstr(kRollup, "Pss") - kRollup);
    CHECK_EQ(ParseRollup(cut.text, cut.length, &kib), whole);
  }
}

void RefusesWhatIsNoFigure() {
  int64_t value;
  for (const char* text : {"", "\n", "-", "--1", "1 ", "x", "12345678901234567890", "1\n\n"}) {
    CHECK(!ParseInteger(text, strlen(text), &value));
  }
  for (const char* text : {"1 99999999999999999999 1 1 1 1 1", "1 -1 1 1 1 1 1", "1 2 3", "a 2 3 4 5 6 7"}) {
    StatmText statm;
    CHECK(!ParseStatm(text, strlen(text), &statm));
  }
  StatusText status;
  for (const char* text : {"VmPTE:\t1 KB\n", "VmSwap:\n", "RssFile: -1 kB\n", "RssShmem:\t1 kB"}) {
    CHECK(!ParseStatus(text, strlen(text), &status));
  }
  CHECK(ParseStatus("", 0, &status));
  CHECK_EQ(status.file_kib, 0);
  StatText stat;
  for (const char* text : {"1 S 2", ")1(", "1 (a)S", "1 (a) 5 1", "(a) S 1"}) {
    CHECK(!ParseStat(text, strlen(text), &stat));
  }
}

}  // namespace

int main() {
  ReadsEveryField();
  SurvivesEveryTruncation();
  RefusesWhatIsNoFigure();
  return 0;
}
