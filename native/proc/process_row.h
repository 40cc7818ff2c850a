// What the files of one process say, in a row that JavaScript reads as doubles.
#pragma once

#include <cstddef>

#include "proc/proc_text.h"

namespace percpu {

// The fields in their order. lib/proc/files/process-row.ts lists the same names and units;
// test/native/schema.test.ts compares them.
#define PERCPU_PROCESS_ROW_FIELDS(FIELD)                                \
  FIELD(pid)                                                            \
  FIELD(state) /* the letter's code */                                  \
  FIELD(kernel_thread)                                                  \
  FIELD(threads)                                                        \
  FIELD(start_ticks)                                                    \
  FIELD(user_ticks)                                                     \
  FIELD(system_ticks)                                                   \
  FIELD(stat_rss_pages)                                                 \
  FIELD(resident_pages)                                                 \
  FIELD(shared_pages)                                                   \
  FIELD(file_kib)                                                       \
  FIELD(shmem_kib)                                                      \
  FIELD(swap_kib)                                                       \
  FIELD(page_table_kib)                                                 \
  FIELD(rollup_kib) /* NaN: not asked for; negative: a negated errno */ \
  FIELD(oom_score_adj)                                                  \
  FIELD(oom_score)                                                      \
  FIELD(name_bytes)

struct ProcessRow {
#define PERCPU_DECLARE(name) double name;
  PERCPU_PROCESS_ROW_FIELDS(PERCPU_DECLARE)
#undef PERCPU_DECLARE
  char name[kMaxNameBytes];
};

}  // namespace percpu
