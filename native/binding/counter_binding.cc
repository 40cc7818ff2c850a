// The C++ engine, one operation a call.
#include "binding/binding.h"

namespace percpu {

namespace {

// (words, descriptor, generation, cpu, delta): 0, or 1 where the counter is no longer of that generation.
Napi::Value CounterAdd(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  const uint32_t generation = info[2].ToNumber().Uint32Value();
  if (!counter.HasGeneration(generation)) return Napi::Number::New(info.Env(), 1);
  counter.Add(info[3].ToNumber().Uint32Value(), info[4].ToNumber().Int64Value());
  return Napi::Number::New(info.Env(), 0);
}

// (words, descriptor, precise): bigint.
Napi::Value CounterSum(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  const bool precise = info[2].ToBoolean();
  return Napi::BigInt::New(info.Env(), precise ? counter.PreciseSum() : counter.ApproximateSum());
}

// (words, descriptor, cpu): bigint.
Napi::Value CounterLeaf(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (!OpenCounter(info.Env(), info[0], info[1], &counter)) return info.Env().Undefined();
  return Napi::BigInt::New(info.Env(), counter.LeafValue(info[2].ToNumber().Uint32Value()));
}

// (words, descriptor, value).
Napi::Value CounterSet(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (OpenCounter(info.Env(), info[0], info[1], &counter)) counter.Set(info[2].ToNumber().Int64Value());
  return info.Env().Undefined();
}

// (words, descriptor).
Napi::Value CounterClear(const Napi::CallbackInfo& info) {
  CounterTree counter;
  if (OpenCounter(info.Env(), info[0], info[1], &counter)) counter.Clear();
  return info.Env().Undefined();
}

}  // namespace

void ExportCounter(Napi::Env env, Napi::Object exports) {
  exports.Set("counterAdd", Napi::Function::New<CounterAdd>(env, "counterAdd"));
  exports.Set("counterSum", Napi::Function::New<CounterSum>(env, "counterSum"));
  exports.Set("counterLeaf", Napi::Function::New<CounterLeaf>(env, "counterLeaf"));
  exports.Set("counterSet", Napi::Function::New<CounterSet>(env, "counterSet"));
  exports.Set("counterClear", Napi::Function::New<CounterClear>(env, "counterClear"));
}

}  // namespace percpu
