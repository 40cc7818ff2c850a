#include "binding/binding.h"

namespace percpu {

double ToDouble(Napi::Value value) {
  double result = 0;
  return napi_get_value_double(value.Env(), value, &result) == napi_ok ? result : 0;
}

int64_t ToInt64(Napi::Value value) {
  int64_t result = 0;
  return napi_get_value_int64(value.Env(), value, &result) == napi_ok ? result : 0;
}

// Modulo 2^32, as JavaScript converts: -1 gives the largest number.
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
  // The memory is not taken from the array's buffer: some runtimes fail if it is a SharedArrayBuffer.
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

}  // namespace percpu
