// The C library is musl, and has nothing to tell libstdc++'s headers that they do not find themselves.
#pragma once
