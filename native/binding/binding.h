// What the files of this folder share: one function each that adds its exports.
#pragma once

#include <napi.h>

#include <cstdint>

#include "counter/arena_view.h"
#include "counter/counter_tree.h"

namespace percpu {

void ExportCounter(Napi::Env env, Napi::Object exports);
void ExportCpu(Napi::Env env, Napi::Object exports);
void ExportRun(Napi::Env env, Napi::Object exports);

// A typed array's memory, shared or not. `data` is nullptr where the value is no typed array of that type, or
// detached.
struct TypedMemory {
  uint8_t* data = nullptr;
  size_t bytes = 0;
};
TypedMemory GetTypedMemory(Napi::Value value, napi_typedarray_type type);

// Opens the counter a JavaScript caller names by its arena's Int32Array and its descriptor's byte offset.
// Throws a JavaScript TypeError and returns false where that is not one.
bool OpenCounter(Napi::Env env, Napi::Value words, Napi::Value descriptor, CounterTree* counter);

// Throws a JavaScript TypeError with code ERR_INVALID_ARG_TYPE; returns undefined.
Napi::Value ThrowInvalidArgument(Napi::Env env, const char* message);

}  // namespace percpu
