// What the files of this folder share.
//
// A worker may be terminated while it runs code of this folder. From then on, every call that may run
// JavaScript fails: reading or setting a property, converting a value, creating a function or an array. On
// such a failure node-addon-api aborts the process. This folder therefore uses only those methods of
// node-addon-api that cannot fail for values of the right type. For everything else it calls Node-API and
// checks the status, or ignores it on purpose: a terminated worker cannot receive an error.
#pragma once

#include <napi.h>

#include <cstdint>

#include "counter/arena_view.h"
#include "counter/counter_tree.h"

namespace percpu {

void ExportCpu(napi_env env, napi_value exports);
void ExportProc(napi_env env, napi_value exports);
void ExportRun(napi_env env, napi_value exports);

using Method = Napi::Value (*)(const Napi::CallbackInfo& info);

template <Method method>
napi_value Call(napi_env env, napi_callback_info info) {
  return method(Napi::CallbackInfo(env, info));
}

// Adds a function to the exports.
template <Method method>
void Export(napi_env env, napi_value exports, const char* name) {
  const napi_property_descriptor property = {.utf8name = name,
                                             .name = nullptr,
                                             .method = Call<method>,
                                             .getter = nullptr,
                                             .setter = nullptr,
                                             .value = nullptr,
                                             .attributes = napi_enumerable,
                                             .data = nullptr};
  napi_define_properties(env, exports, 1, &property);
}

// The argument as a number; 0 if it is not a number. Nothing is coerced.
double ToDouble(Napi::Value value);
int64_t ToInt64(Napi::Value value);
uint32_t ToUint32(Napi::Value value);

// A typed array's memory, shared or not. `data` is nullptr if the value is not a typed array of that type, or
// is detached.
struct TypedMemory {
  uint8_t* data = nullptr;
  size_t bytes = 0;
};
TypedMemory GetTypedMemory(Napi::Value value, napi_typedarray_type type);

// Opens a counter by its arena's Int32Array and its descriptor's byte offset. If they do not name a counter,
// throws a JavaScript TypeError and returns false.
bool OpenCounter(Napi::Env env, Napi::Value words, Napi::Value descriptor, CounterTree* counter);

// Throws a JavaScript TypeError with code ERR_INVALID_ARG_TYPE; returns undefined.
Napi::Value ThrowInvalidArgument(Napi::Env env, const char* message);

}  // namespace percpu
