// The CPU number, affinity, and NUMA placement.
#include <sched.h>
#include <cerrno>
#include <cstdlib>

#include "binding/binding.h"
#include "cpu/affinity.h"
#include "cpu/numa.h"
#include "percpu/rseq.h"

namespace percpu {

namespace {

// (): the CPU that the calling thread runs on, or -1.
Napi::Value CurrentCpu(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), sched_getcpu());
}

// The clean-up hook runs on the environment's thread, which registered the area.
void GiveBackOwnArea(void* area) {
  UnregisterRseqArea(static_cast<RseqArea*>(area));
  free(area);
}

// Returns the calling thread's rseq area, registered here if the C library has not registered one. Otherwise
// returns nullptr and sets the reason.
RseqArea* OpenArea(Napi::Env env, const char** reason) {
  if (RseqArea* area = LibraryRseqArea()) return area;
  auto* area = static_cast<RseqArea*>(aligned_alloc(32, sizeof(RseqArea)));
  if (area == nullptr) {
    *reason = "no memory for an rseq area";
    return nullptr;
  }
  const int error = RegisterRseqArea(area);
  if (error != 0) {
    free(area);
    *reason = error == ENOSYS  ? "the kernel or this architecture has no rseq"
              : error == EPERM ? "the kernel refused rseq (seccomp?)"
                               : "another rseq area is registered for this thread";
    return nullptr;
  }
  napi_add_env_cleanup_hook(env, GiveBackOwnArea, area);
  return area;
}

// (): an Int32Array of one element over the calling thread's rseq cpu_id, or a string with the reason why
// there is none. The memory belongs to the thread: the array must not outlive it.
Napi::Value OpenCpuId(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const char* reason = "";
  RseqArea* area = OpenArea(env, &reason);
  if (area == nullptr) return Napi::String::New(env, reason);
  napi_value buffer;
  const napi_status status = napi_create_external_arraybuffer(
      env, area, sizeof(RseqArea), [](napi_env, void*, void*) {}, nullptr, &buffer);
  napi_value view;
  if (status != napi_ok || napi_create_typedarray(env, napi_int32_array, 1, buffer,
                                                  offsetof(RseqArea, cpu_id), &view) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (pending) napi_get_and_clear_last_exception(env, &view);
    return Napi::String::New(env, "this runtime does not allow buffers over memory of its own threads");
  }
  return Napi::Value(env, view);
}

// (tid): a Uint32Array of CPU numbers, or a negated errno.
Napi::Value GetAffinity(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CpuSet set;
  if (const int error = ReadAffinity(static_cast<pid_t>(ToInt64(info[0])), &set); error != 0) {
    return Napi::Number::New(env, -error);
  }
  uint32_t count = 0;
  for (uint32_t cpu = 0; cpu < set.capacity(); cpu++) count += set.Has(cpu);
  void* data;
  napi_value buffer;
  napi_value cpus;
  if (napi_create_arraybuffer(env, count * sizeof(uint32_t), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint32_array, count, buffer, 0, &cpus) != napi_ok) {
    return env.Undefined();
  }
  auto* next = static_cast<uint32_t*>(data);
  for (uint32_t cpu = 0; cpu < set.capacity(); cpu++) {
    if (set.Has(cpu)) *next++ = cpu;
  }
  return Napi::Value(env, cpus);
}

// (Uint32Array of CPU numbers below 2^20, tid): 0, or a negated errno.
Napi::Value SetAffinity(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const TypedMemory memory = GetTypedMemory(info[0], napi_uint32_array);
  if (memory.data == nullptr) return ThrowInvalidArgument(env, "cpus must be a Uint32Array");
  const auto* cpus = reinterpret_cast<const uint32_t*>(memory.data);
  const size_t count = memory.bytes / sizeof(uint32_t);
  uint32_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    if (cpus[i] >= kMaxAffinityCpus) return Napi::Number::New(env, -EINVAL);
    if (cpus[i] > largest) largest = cpus[i];
  }
  CpuSet set;
  if (!set.Allocate(largest + 1)) return Napi::Number::New(env, -ENOMEM);
  for (size_t i = 0; i < count; i++) set.Add(cpus[i]);
  return Napi::Number::New(env, -WriteAffinity(static_cast<pid_t>(ToInt64(info[1])), set));
}

Napi::Value GetPageBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(PageBytes()));
}

// (Uint8Array, offset, length, node): 0, or a negated errno.
Napi::Value PlaceOnNode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const TypedMemory memory = GetTypedMemory(info[0], napi_uint8_array);
  if (memory.data == nullptr) return ThrowInvalidArgument(env, "bytes must be a Uint8Array");
  const int64_t offset = ToInt64(info[1]);
  const int64_t length = ToInt64(info[2]);
  const auto bytes = static_cast<int64_t>(memory.bytes);
  if (offset < 0 || length < 0 || offset > bytes || length > bytes - offset) {
    return ThrowInvalidArgument(env, "offset and length must lie within bytes");
  }
  const uint32_t node = ToUint32(info[3]);
  return Napi::Number::New(env, -PreferNode(memory.data + offset, static_cast<size_t>(length), node));
}

}  // namespace

void ExportCpu(napi_env env, napi_value exports) {
  Export<CurrentCpu>(env, exports, "currentCpu");
  Export<OpenCpuId>(env, exports, "openCpuId");
  Export<GetAffinity>(env, exports, "getAffinity");
  Export<SetAffinity>(env, exports, "setAffinity");
  Export<GetPageBytes>(env, exports, "pageBytes");
  Export<PlaceOnNode>(env, exports, "placeOnNode");
}

}  // namespace percpu
