// Checks for the C++ tests: always on, whatever NDEBUG says.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

#define CHECK_EQ(actual, expected)                                                                     \
  do {                                                                                                 \
    const auto actual_value = static_cast<int64_t>(actual);                                            \
    const auto expected_value = static_cast<int64_t>(expected);                                        \
    if (actual_value != expected_value) {                                                              \
      fprintf(stderr, "%s:%d: %s is %" PRId64 ", expected %" PRId64 "\n", __FILE__, __LINE__, #actual, \
              actual_value, expected_value);                                                           \
      exit(1);                                                                                         \
    }                                                                                                  \
  } while (0)
