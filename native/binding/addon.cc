#include "binding/binding.h"

#ifndef PERCPU_VERSION
#error "PERCPU_VERSION must be the version in package.json"
#endif

namespace percpu {

double ToDouble(Napi::Value value) {
  double result = 0;
  return napi_get_value_double(value.Env(), value, &result) == napi_ok ? result : 0;
}

int64_t ToInt64(Napi::Value value) {
  int64_t result = 0;
  return napi_get_value_int64(value.Env(), value, &result) == napi_ok ? result : 0;
}

// Modulo 2^32, as JavaScript does it: -1 is the largest.
uint32_t ToUint32(Napi::Value value) {
  uint32_t result = 0;
  return napi_get_value_uint32(value.Env(), value, &result) == napi_ok ? result : 0;
}

TypedMemory GetTypedMemory(Napi::Value value, napi_typedarray_type type) {
  bool is_typed_array = false;
  if (napi_is_typedarray(value.Env(), value, &is_typed_array) != napi_ok || !is_typed_array) return {};
  napi_typedarray_type found;
  size_t length = 0;
  void* data = nullptr;
  // Not through the array's buffer: asking a SharedArrayBuffer for its memory fails on some runtimes.
  if (napi_get_typedarray_info(value.Env(), value, &found, &length, &data, nullptr, nullptr) != napi_ok)
    return {};
  if (found != type || data == nullptr) return {};
  const size_t width = type == napi_uint8_array ? 1 : 4;
  return {static_cast<uint8_t*>(data), length * width};
}

Napi::Value ThrowInvalidArgument(Napi::Env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return env.Undefined();
}

bool OpenCounter(Napi::Env env, Napi::Value words, Napi::Value descriptor, CounterTree* counter) {
  const TypedMemory memory = GetTypedMemory(words, napi_int32_array);
  ArenaView arena;
  if (memory.data == nullptr || !arena.Open(memory.data, memory.bytes)) {
    ThrowInvalidArgument(env, "words must be an Int32Array over an arena's memory");
    return false;
  }
  if (!descriptor.IsNumber() || !counter->Open(arena, ToUint32(descriptor))) {
    ThrowInvalidArgument(env, "descriptor must be the byte offset of a counter's descriptor");
    return false;
  }
  return true;
}

// In the file it can be found by its first words: scripts/prebuild/targets.mjs has the same.
constexpr char kMark[] = "percpu.node ";
constexpr char kMarkedVersion[] = "percpu.node " PERCPU_VERSION;

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  napi_value version;
  const char* text = kMarkedVersion + sizeof(kMark) - 1;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &version) == napi_ok) {
    napi_set_named_property(env, exports, "version", version);
  }
  ExportCounter(env, exports);
  ExportCpu(env, exports);
  ExportProc(env, exports);
  ExportRun(env, exports);
  return exports;
}

}  // namespace percpu

using percpu::Initialise;
NODE_API_MODULE(percpu, Initialise)
