// Finds out how this kernel counts resident pages by watching it miscount.
//
// A short-lived child with one thread touches page after page on one CPU and reads its own stat and statm
// after each. What the figures do, and when, is told apart in TypeScript:
// lib/proc/accounting/observations.ts.
#pragma once

#include <cstdint>

namespace percpu {

// In pages, but for the CPUs. lib/proc/accounting/accounting.ts knows the order.
struct DriftObservations {
  double touched;      // until stat's second jump of more than a page; all, where there was none
  double jump;         // that jump; 0: none
  double exact_steps;  // how many of the first 32 pages showed in stat at once
  double fall;         // what stat did when two pages were released right after the jump
  double drift;        // pages touched then, fewer than a batch
  double stat_growth;  // by how much each file then had grown, read from the other CPU
  double statm_growth;
  double rollup_growth;  // NaN where smaps_rollup could not be read
  double touch_cpu;      // where the child really was
  double read_cpu;
};

// Makes the child and waits for it: some milliseconds, at most five seconds. `batch` is what a flat counter
// would hold back on a CPU. Returns 0 or an errno: no child may be made, or it did not end well.
int ProbeAccounting(uint32_t touch_cpu, uint32_t read_cpu, uint32_t batch, DriftObservations* observations);

}  // namespace percpu
