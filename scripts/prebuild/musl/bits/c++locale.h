// What libstdc++'s headers name of a locale. The addon uses none; whoever begins to, fails to link.
#pragma once
#include <clocale>

#define _GLIBCXX_NUM_CATEGORIES 6

namespace std {
using __c_locale = locale_t;
int __convert_from_v(const __c_locale& locale, char* out, int size, const char* format, ...);
}  // namespace std
