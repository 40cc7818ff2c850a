// What one thread of a run did, as JavaScript reads it.
#pragma once

namespace percpu {

// The fields in their order. lib/counter/run-on-cpus.ts lists the same names; test/native/schema.test.ts
// compares them.
#define PERCPU_RUN_ROW_FIELDS(FIELD) \
  FIELD(cpu)                         \
  FIELD(start_cpu)                   \
  FIELD(end_cpu)                     \
  FIELD(iterations)                  \
  FIELD(elapsed_ns)

struct RunRow {
#define PERCPU_DECLARE(name) double name;
  PERCPU_RUN_ROW_FIELDS(PERCPU_DECLARE)
#undef PERCPU_DECLARE
};

}  // namespace percpu
