// Runs on pinned native threads, from JavaScript and without keeping it waiting.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "bench/strategies.h"
#include "binding/binding.h"
#include "cpu/pinned_threads.h"

namespace percpu {

namespace {

// One run, from startRun() until JavaScript has its outcome or its environment is gone.
//
// Lifetimes. The threads use the arena's memory, kept alive by `request`. The thread-safe function is
// finalised last and frees the run: after `done`, or when the environment is torn down. In the second case
// the clean-up hook, added after the function was made and therefore run before it is closed, has stopped and
// joined the threads: none of them can touch memory, or call into an environment, that is no more.
class Run {
 public:
  // `request` holds on to the arena's memory and the stop word.
  Run(Napi::Env env, Napi::Object request, bool pinned_counter)
      : env_(env), request_(Napi::Persistent(request)), pinned_counter_(pinned_counter) {}

  ~Run() { free(context_.lines); }

  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  StrategyContext& context() { return context_; }
  PinnedThreads& threads() { return threads_; }

  bool AllocateLines(uint32_t count) {
    const size_t bytes = count * sizeof(StrategyContext::Line);
    context_.lines = static_cast<StrategyContext::Line*>(aligned_alloc(kCacheLine, bytes));
    if (context_.lines != nullptr) memset(context_.lines, 0, bytes);
    return context_.lines != nullptr;
  }

  // Returns 0, or an errno: the run then frees itself, and `done` is not called.
  static int Start(Run* run, Napi::Function done, PinnedLoop loop) {
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

  void ReleasePin() {
    if (pinned_counter_) context_.counter.Unpin();
    pinned_counter_ = false;
  }

 private:
  // On the coordinator's thread, when all others have ended.
  static void Finished(void* data) {
    auto* run = static_cast<Run*>(data);
    run->ReleasePin();
    const napi_threadsafe_function notify = run->notify_;
    napi_call_threadsafe_function(notify, nullptr, napi_tsfn_nonblocking);
    napi_release_threadsafe_function(notify, napi_tsfn_release);
  }

  // On the JavaScript thread; `env` is null when the environment is on its way out.
  static void CallDone(napi_env env, napi_value done, void* data, void*) {
    auto* run = static_cast<Run*>(data);
    run->threads_.Join();
    if (env == nullptr) return;
    Napi::Function(env, done).Call({run->Outcome(env)});
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

  Napi::Object Outcome(Napi::Env env) const {
    const PinnedFailure& failure = threads_.failure();
    Napi::Object outcome = Napi::Object::New(env);
    outcome.Set("errno", failure.error);
    outcome.Set("syscall", failure.syscall);
    outcome.Set("failedCpu", static_cast<double>(failure.cpu));
    Napi::Float64Array rows = Napi::Float64Array::New(env, size_t{5} * threads_.threads());
    for (uint32_t i = 0; i < threads_.threads(); i++) {
      const PinnedResult& result = threads_.result(i);
      rows[5 * i] = result.cpu;
      rows[5 * i + 1] = result.start_cpu;
      rows[5 * i + 2] = result.end_cpu;
      rows[5 * i + 3] = static_cast<double>(result.iterations);
      rows[5 * i + 4] = static_cast<double>(result.elapsed_ns);
    }
    outcome.Set("threads", rows);
    return outcome;
  }

  Napi::Env env_;
  Napi::ObjectReference request_;
  StrategyContext context_;
  PinnedThreads threads_;
  napi_threadsafe_function notify_ = nullptr;
  bool pinned_counter_;
  bool torn_down_ = false;
};

// (request, done): 0, or a negated errno. lib/native.ts describes the request. A strategy that counts needs
// its slot pinned already; the slot is unpinned when the run is over or could not start, but not after a
// JavaScript exception.
Napi::Value StartRun(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject() || !info[1].IsFunction())
    return ThrowInvalidArgument(env, "startRun(request, done)");
  const Napi::Object request = info[0].As<Napi::Object>();
  const std::string name = request.Get("strategy").ToString();
  const Strategy* strategy = FindStrategy(name.c_str());
  if (strategy == nullptr) return ThrowInvalidArgument(env, "strategy must be a known one");
  const TypedMemory cpus = GetTypedMemory(request.Get("cpus"), napi_uint32_array);
  const auto threads = static_cast<uint32_t>(cpus.bytes / sizeof(uint32_t));
  if (cpus.data == nullptr || threads == 0) return ThrowInvalidArgument(env, "cpus must be a Uint32Array");
  CounterTree counter;
  const Napi::Value words = request.Get("words");
  if (strategy->uses_counter && !OpenCounter(env, words, request.Get("descriptor"), &counter)) {
    return env.Undefined();
  }
  const TypedMemory stop = GetTypedMemory(request.Get("stop"), napi_int32_array);
  if (stop.bytes < 4) return ThrowInvalidArgument(env, "stop must be an Int32Array");
  const double iterations = request.Get("iterations").ToNumber().DoubleValue();
  if (!(iterations >= 0 && iterations <= 9007199254740991.0)) {
    return ThrowInvalidArgument(env, "iterations must be a safe integer");
  }

  auto* run = new (std::nothrow) Run(env, request, strategy->uses_counter);
  if (run == nullptr) return ThrowInvalidArgument(env, "out of memory");
  run->context().counter = counter;
  run->context().delta = request.Get("delta").ToNumber().Int64Value();
  if (!run->AllocateLines(threads) || !run->threads().Prepare(reinterpret_cast<const uint32_t*>(cpus.data),
                                                              threads, static_cast<uint64_t>(iterations),
                                                              reinterpret_cast<const int32_t*>(stop.data))) {
    delete run;
    return ThrowInvalidArgument(env, "out of memory");
  }
  return Napi::Number::New(env, -Run::Start(run, info[1].As<Napi::Function>(), strategy->loop));
}

}  // namespace

void ExportRun(Napi::Env env, Napi::Object exports) {
  exports.Set("startRun", Napi::Function::New<StartRun>(env, "startRun"));
}

}  // namespace percpu
