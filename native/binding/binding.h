// What the files of this folder share.
//
// A worker can be terminated while it is in here. From then on every call that may run JavaScript fails:
// reading or setting a property, coercing a value, making a function or an array. node-addon-api answers such
// a failure by aborting the process. So only those of its methods are used that cannot fail for values of the
// right type, and everything else goes through Node-API itself, with its status looked at or deliberately
// ignored: nobody is there to be told.
#pragma once

#include <napi.h>

#include <cstdint>

#include "counter/arena_view.h"
#include "counter/counter_tree.h"

namespace percpu {

void ExportCounter(napi_env env, napi_value exports);
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
  const napi_property_descriptor property = {name,    nullptr, Call<method>,    nullptr,
                                             nullptr, nullptr, napi_enumerable, nullptr};
  napi_define_properties(env, exports, 1, &property);
}

// Values of arguments, without coercion: 0 for what is no number.
double ToDouble(Napi::Value value);
int64_t ToInt64(Napi::Value value);
uint32_t ToUint32(Napi::Value value);

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
