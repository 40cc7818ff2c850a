// Reads the calling process, from files of /proc that stay open.
#pragma once

#include <cstdint>

#include "proc/rss_reader.h"

namespace percpu {

// Does what ReadProcessAt("/proc", 0, …) does.
int ReadOwnProcess(uint32_t want, ProcessRow* row, ReadFailure* failure);

// Returns the resident set in pages, as statm has it, or a negated errno.
int64_t OwnResidentPages();

}  // namespace percpu
