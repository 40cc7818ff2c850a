// Runs on pinned native threads. The JavaScript thread does not wait for them.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "binding/binding.h"
#include "binding/run_row.h"
#include "cpu/pinned_threads.h"
#include "run/strategies.h"

namespace percpu {

namespace {

// One run, from startRun() until JavaScript has the outcome or the environment is torn down.
//
// Lifetimes. The threads use the arena's memory and the stop word. References keep both alive. The
// thread-safe function is finalised last, and frees the run: after `done`, or when the environment is torn
// down. In the second case the clean-up hook runs first, because it was added after the function was created.
// It stops and joins the threads, so that none of them uses memory or an environment that no longer exists.
class Run {
 public:
  explicit Run(napi_env env) : env_(env) {}

  ~Run() {
    free(context_.lines);
    for (napi_ref reference : references_) {
      if (reference != nullptr) napi_delete_reference(env_, reference);
    }
  }

  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  StrategyContext& context() { return context_; }
  PinnedThreads& threads() { return threads_; }

  // Keeps the memory of two typed arrays alive. Returns false if the runtime refuses.
  bool KeepAlive(napi_value words, napi_value stop) {
    const bool has_words = words != nullptr;
    return (!has_words || napi_create_reference(env_, words, 1, &references_[0]) == napi_ok) &&
           napi_create_reference(env_, stop, 1, &references_[1]) == napi_ok;
  }

  bool AllocateLines(uint32_t count) {
    const size_t bytes = count * sizeof(StrategyContext::Line);
    context_.lines = static_cast<StrategyContext::Line*>(aligned_alloc(kCacheLine, bytes));
    if (context_.lines != nullptr) memset(context_.lines, 0, bytes);
    return context_.lines != nullptr;
  }

  // Returns 0 or an errno. On an errno the run frees itself, and `done` is not called.
  static int Start(Run* run, napi_value done, PinnedLoop loop) {
    napi_value name;
    napi_create_string_utf8(run->env_, "percpu:run", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(run->env_, done, nullptr, name, 1, 1, run, Finalise, run, CallDone,
                                        &run->notify_) != napi_ok) {
      run->ReleasePin();
      delete run;
      return ENOMEM;
    }
    napi_add_env_cleanup_hook(run->env_, TearDown, run);
    const int error = run->threads_.Start(loop, &run->context_, Finished, run);
    if (error == 0) return 0;
    run->ReleasePin();
    napi_release_threadsafe_function(run->notify_, napi_tsfn_abort);
    return error;
  }

  // Keeps the counter's slot for this run. JavaScript cannot do it: a worker may be terminated between any
  // two of its lines, and the slot would stay pinned. Returns false if the counter is destroyed.
  bool PinCounter(uint32_t generation) {
    pinned_counter_ = context_.counter.Pin(generation);
    return pinned_counter_;
  }

  void ReleasePin() {
    if (pinned_counter_) context_.counter.Unpin();
    pinned_counter_ = false;
  }

 private:
  // Runs on the coordinator's thread, after all other threads have ended.
  static void Finished(void* data) {
    auto* run = static_cast<Run*>(data);
    run->ReleasePin();
    const napi_threadsafe_function notify = run->notify_;
    napi_call_threadsafe_function(notify, nullptr, napi_tsfn_nonblocking);
    napi_release_threadsafe_function(notify, napi_tsfn_release);
  }

  // Runs on the JavaScript thread. `env` is null if the environment was torn down before the call. The
  // function may have been finalised then, and the run freed.
  static void CallDone(napi_env env, napi_value done, void* data, void*) {
    if (env == nullptr) return;
    auto* run = static_cast<Run*>(data);
    run->threads_.Join();
    napi_value receiver;
    napi_value outcome[4];
    if (napi_get_undefined(env, &receiver) != napi_ok || !run->Outcome(env, outcome)) return;
    napi_call_function(env, receiver, done, 4, outcome, nullptr);
  }

  static void TearDown(void* data) {
    auto* run = static_cast<Run*>(data);
    run->torn_down_ = true;
    run->threads_.Stop();
    run->threads_.Join();
  }

  static void Finalise(napi_env env, void* data, void*) {
    auto* run = static_cast<Run*>(data);
    run->threads_.Join();
    if (!run->torn_down_) napi_remove_env_cleanup_hook(env, TearDown, run);
    delete run;
  }

  // The arguments of `done`: errno, syscall, the CPU it failed for, a RunRow for each thread. Returns false
  // if the environment cannot create objects any more.
  bool Outcome(napi_env env, napi_value (&arguments)[4]) const {
    const PinnedFailure& failure = threads_.failure();
    const size_t bytes = threads_.threads() * sizeof(RunRow);
    void* data;
    napi_value buffer;
    if (napi_create_int32(env, failure.error, &arguments[0]) != napi_ok ||
        napi_create_string_utf8(env, failure.syscall, NAPI_AUTO_LENGTH, &arguments[1]) != napi_ok ||
        napi_create_int64(env, failure.cpu, &arguments[2]) != napi_ok ||
        napi_create_arraybuffer(env, bytes, &data, &buffer) != napi_ok ||
        napi_create_typedarray(env, napi_float64_array, bytes / sizeof(double), buffer, 0, &arguments[3]) !=
            napi_ok) {
      return false;
    }
    auto* rows = static_cast<RunRow*>(data);
    for (uint32_t i = 0; i < threads_.threads(); i++) {
      const PinnedResult& result = threads_.result(i);
      rows[i] = {.cpu = static_cast<double>(result.cpu),
                 .start_cpu = static_cast<double>(result.start_cpu),
                 .end_cpu = static_cast<double>(result.end_cpu),
                 .iterations = static_cast<double>(result.iterations),
                 .elapsed_ns = static_cast<double>(result.elapsed_ns)};
    }
    return true;
  }

  napi_env env_;
  napi_ref references_[2] = {};
  StrategyContext context_;
  PinnedThreads threads_;
  napi_threadsafe_function notify_ = nullptr;
  bool pinned_counter_ = false;
  bool torn_down_ = false;
};

// (words, descriptor, generation, strategy, delta, iterations, cpus, stop, done): 0, 1 for a destroyed
// counter, or a negated errno. lib/native/addon.ts describes them.
Napi::Value StartRun(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  char name[32] = "";
  size_t length = 0;
  napi_get_value_string_utf8(env, info[3], name, sizeof(name), &length);
  const Strategy* strategy = FindStrategy(name);
  if (strategy == nullptr) return ThrowInvalidArgument(env, "strategy must be a known one");
  CounterTree counter;
  if (strategy->uses_counter && !OpenCounter(env, info[0], info[1], &counter)) return env.Undefined();
  const double iterations = ToDouble(info[5]);
  if (!(iterations >= 0 && iterations <= 9007199254740991.0)) {
    return ThrowInvalidArgument(env, "iterations must be a safe integer");
  }
  const TypedMemory cpus = GetTypedMemory(info[6], napi_uint32_array);
  const auto threads = static_cast<uint32_t>(cpus.bytes / sizeof(uint32_t));
  if (threads == 0) return ThrowInvalidArgument(env, "cpus must be a Uint32Array");
  const TypedMemory stop = GetTypedMemory(info[7], napi_int32_array);
  if (stop.bytes < sizeof(int32_t)) return ThrowInvalidArgument(env, "stop must be an Int32Array");
  if (!info[8].IsFunction()) return ThrowInvalidArgument(env, "done must be a function");

  auto* run = new (std::nothrow) Run(env);
  if (run == nullptr) return ThrowInvalidArgument(env, "out of memory");
  run->context().counter = counter;
  run->context().delta = ToInt64(info[4]);
  const napi_value words = strategy->uses_counter ? static_cast<napi_value>(info[0]) : nullptr;
  if (!run->KeepAlive(words, info[7]) || !run->AllocateLines(threads) ||
      !run->threads().Prepare(reinterpret_cast<const uint32_t*>(cpus.data), threads,
                              static_cast<uint64_t>(iterations),
                              reinterpret_cast<const int32_t*>(stop.data))) {
    delete run;
    return ThrowInvalidArgument(env, "out of memory");
  }
  if (strategy->uses_counter && !run->PinCounter(ToUint32(info[2]))) {
    delete run;
    return Napi::Number::New(env, 1);
  }
  return Napi::Number::New(env, -Run::Start(run, info[8], strategy->loop));
}

}  // namespace

void ExportRun(napi_env env, napi_value exports) {
  Export<StartRun>(env, exports, "startRun");
}

}  // namespace percpu
