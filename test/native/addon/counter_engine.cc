// The C++ engine, one operation a call.
#include "binding/binding.h"
#include "test_addon.h"

namespace percpu {

namespace {

// (words, descriptor, generation, cpu, delta): 0, or 1 if the counter is not of that generation any more.
Napi::Value CounterAdd(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  const uint32_t generation = ToUint32(info[2]);
  if (!counter.HasGeneration(generation)) return Napi::Number::New(info.Env(), 1);
  counter.Add(ToUint32(info[3]), ToInt64(info[4]));
  return Napi::Number::New(info.Env(), 0);
}

// (words, descriptor, precise: 0 or 1): bigint.
Napi::Value CounterSum(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  const bool precise = ToUint32(info[2]) != 0;
  return Napi::BigInt::New(info.Env(), precise ? counter.PreciseSum() : counter.ApproximateSum());
}

// (words, descriptor, cpu): bigint.
Napi::Value CounterLeaf(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  return Napi::BigInt::New(info.Env(), counter.LeafValue(ToUint32(info[2])));
}

// (words, descriptor, value).
Napi::Value CounterSet(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (OpenCounter(info.Env(), info[0], info[1], &counter)) counter.Set(ToInt64(info[2]));
  return info.Env().Undefined();
}

// (words, descriptor).
Napi::Value CounterClear(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (OpenCounter(info.Env(), info[0], info[1], &counter)) counter.Clear();
  return info.Env().Undefined();
}

}  // namespace

void ExportCounter(napi_env env, napi_value exports) {
  Export<CounterAdd>(env, exports, "counterAdd");
  Export<CounterSum>(env, exports, "counterSum");
  Export<CounterLeaf>(env, exports, "counterLeaf");
  Export<CounterSet>(env, exports, "counterSet");
  Export<CounterClear>(env, exports, "counterClear");
}

}  // namespace percpu
