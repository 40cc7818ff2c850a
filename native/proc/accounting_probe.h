// Observes how this kernel counts resident pages.
//
// A short-lived child with one thread touches pages on one CPU, and reads its own stat and statm after each.
// lib/proc/accounting/observations.ts tells from the figures which accounting the kernel has.
#pragma once

#include <cstdint>

namespace percpu {

// The fields in their order, in pages except for the CPUs. lib/proc/accounting/observations.ts lists the same
// names and describes them; test/native/schema.test.ts compares the names.
#define PERCPU_DRIFT_FIELDS(FIELD) \
  FIELD(touched)                   \
  FIELD(jump)                      \
  FIELD(exact_steps)               \
  FIELD(fall)                      \
  FIELD(drift)                     \
  FIELD(stat_growth)               \
  FIELD(statm_growth)              \
  FIELD(rollup_growth)             \
  FIELD(touch_cpu)                 \
  FIELD(read_cpu)

struct DriftObservations {
#define PERCPU_DECLARE(name) double name;
  PERCPU_DRIFT_FIELDS(PERCPU_DECLARE)
#undef PERCPU_DECLARE
};

// Starts the child and waits for it: some milliseconds, at most five seconds. `batch` is the number of pages
// that a flat counter would hold back on a CPU. Returns 0 or an errno. EPROTO: the child failed. ETIMEDOUT:
// it did not end in time. Other errors: it could not be started.
int ProbeAccounting(uint32_t touch_cpu, uint32_t read_cpu, uint32_t batch, DriftObservations* observations);

}  // namespace percpu
