// Real processes: one on the calling thread, many on libuv's thread pool.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "binding/binding.h"
#include "proc/accounting_probe.h"
#include "proc/own_process.h"
#include "proc/proc_scanner.h"
#include "proc/rss_reader.h"

namespace percpu {

namespace {

constexpr size_t kMaxRootBytes = 4096;  // PATH_MAX

bool GetRoot(Napi::Value value, char (&root)[kMaxRootBytes]) {
  size_t length = 0;
  return napi_get_value_string_utf8(value.Env(), value, root, sizeof(root), &length) == napi_ok &&
         length > 0 && length < sizeof(root) - 1;
}

// (): pages, or a negated errno.
Napi::Value OwnResident(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(OwnResidentPages()));
}

// Returns 0, or the failure as lib/native/addon.ts describes it.
Napi::Value ReadingResult(Napi::Env env, int error, const ReadFailure& failure, const ProcessRow& process,
                          const TypedMemory& row) {
  if (error != 0) return Napi::Number::New(env, -(error + kErrnos * failure.file));
  memcpy(row.data, &process, sizeof(process));
  return Napi::Number::New(env, 0);
}

// (want, row)
Napi::Value ReadOwn(const Napi::CallbackInfo& info) {
  const TypedMemory row = GetTypedMemory(info[1], napi_uint8_array);
  if (row.bytes < sizeof(ProcessRow)) return ThrowInvalidArgument(info.Env(), "row must be large enough");
  ProcessRow process;
  ReadFailure failure;
  const int error = ReadOwnProcess(ToUint32(info[0]), &process, &failure);
  return ReadingResult(info.Env(), error, failure, process, row);
}

// (root, pid, want, row)
Napi::Value ReadOne(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  char root[kMaxRootBytes];
  if (!GetRoot(info[0], root)) return ThrowInvalidArgument(env, "root must be a path");
  const TypedMemory row = GetTypedMemory(info[3], napi_uint8_array);
  if (row.bytes < sizeof(ProcessRow)) return ThrowInvalidArgument(env, "row must be large enough");
  const uint32_t pid = ToUint32(info[1]);
  const uint32_t want = ToUint32(info[2]);
  ProcessRow process;
  ReadFailure failure;
  const int error = ReadProcessAt(root, pid, want, &process, &failure);
  return ReadingResult(env, error, failure, process, row);
}

// A scanner and the scan that it runs, if any.
//
// Lifetimes. JavaScript holds it by an external value, whose finaliser releases it. A running scan holds it
// as well: neither garbage collection nor closeScanner() can free it while the pool's thread uses it. The
// holders are counted on the JavaScript thread only. At the end of an environment Node waits for work that
// has begun. The clean-up hook stops the scan, so that the wait is short.
struct ScannerHolder {
  ProcScanner scanner;
  uint32_t holders = 1;
  bool scanning = false;
  bool closed = false;
  // Not 0: the scan ends soon. closeScanner() and the clean-up hook write it; the pool's thread reads it.
  int32_t stop = 0;

  void Release() {
    if (--holders == 0) delete this;
  }
};

struct Scan {
  ScannerHolder* holder = nullptr;
  uint32_t* pids = nullptr;  // nullptr: every process
  size_t pid_count = 0;
  uint32_t want = 0;
  const int32_t* stop = nullptr;
  napi_ref stop_reference = nullptr;
  napi_ref done = nullptr;
  napi_async_work work = nullptr;
  ProcessRows rows;
  int error = 0;

  ~Scan() { free(pids); }
};

void StopHolder(void* data) {
  auto* holder = static_cast<ScannerHolder*>(data);
  // Relaxed: no other memory depends on it.
  __atomic_store_n(&holder->stop, 1, __ATOMIC_RELAXED);
}

void FinaliseHolder(napi_env env, void* data, void*) {
  auto* holder = static_cast<ScannerHolder*>(data);
  napi_remove_env_cleanup_hook(env, StopHolder, holder);
  holder->Release();
}

// (root, maxOpenFiles): an external, or undefined if there is no memory.
Napi::Value OpenScanner(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  char root[kMaxRootBytes];
  if (!GetRoot(info[0], root)) return ThrowInvalidArgument(env, "root must be a path");
  auto* holder = new (std::nothrow) ScannerHolder();
  if (holder == nullptr) return env.Undefined();
  napi_value external;
  if (!holder->scanner.Open(root, ToUint32(info[1])) ||
      napi_create_external(env, holder, FinaliseHolder, nullptr, &external) != napi_ok) {
    holder->Release();
    return env.Undefined();
  }
  napi_add_env_cleanup_hook(env, StopHolder, holder);
  return Napi::Value(env, external);
}

ScannerHolder* GetHolder(Napi::Value value) {
  void* data = nullptr;
  return napi_get_value_external(value.Env(), value, &data) == napi_ok ? static_cast<ScannerHolder*>(data)
                                                                       : nullptr;
}

// Runs on a thread of the pool.
void ExecuteScan(napi_env, void* data) {
  auto* scan = static_cast<Scan*>(data);
  const int32_t* const stop[2] = {scan->stop, &scan->holder->stop};
  scan->error = scan->holder->scanner.Scan(scan->pids, scan->pid_count, scan->want, stop, &scan->rows);
}

// The arguments of `done`. Returns false if the environment cannot create objects any more.
bool ScanOutcome(napi_env env, const Scan& scan, napi_value (&arguments)[4]) {
  const size_t count = scan.error == 0 ? scan.rows.count : 0;
  void* data;
  if (napi_create_int32(env, scan.error, &arguments[0]) != napi_ok ||
      napi_create_arraybuffer(env, count * sizeof(ProcessRow), &data, &arguments[1]) != napi_ok ||
      napi_create_uint32(env, static_cast<uint32_t>(count), &arguments[2]) != napi_ok ||
      napi_create_uint32(env, scan.holder->scanner.open_files(), &arguments[3]) != napi_ok) {
    return false;
  }
  if (count > 0) memcpy(data, scan.rows.rows, count * sizeof(ProcessRow));
  return true;
}

void DeleteScan(napi_env env, Scan* scan) {
  if (scan->stop_reference != nullptr) napi_delete_reference(env, scan->stop_reference);
  if (scan->done != nullptr) napi_delete_reference(env, scan->done);
  if (scan->work != nullptr) napi_delete_async_work(env, scan->work);
  scan->holder->scanning = false;
  scan->holder->Release();
  delete scan;
}

// Runs on the JavaScript thread. `status` is napi_cancelled if the environment ends before the work begins.
void CompleteScan(napi_env env, napi_status status, void* data) {
  auto* scan = static_cast<Scan*>(data);
  if (scan->holder->closed) scan->holder->scanner.CloseFiles();
  napi_value receiver;
  napi_value done;
  napi_value arguments[4];
  const bool can_call = status == napi_ok && napi_get_undefined(env, &receiver) == napi_ok &&
                        napi_get_reference_value(env, scan->done, &done) == napi_ok && done != nullptr &&
                        ScanOutcome(env, *scan, arguments);
  DeleteScan(env, scan);
  if (can_call) napi_call_function(env, receiver, done, 4, arguments, nullptr);
}

// (scanner, pids, want, stop, done): 0; or a negated errno, and then `done` is not called.
Napi::Value ScanProcesses(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ScannerHolder* holder = GetHolder(info[0]);
  if (holder == nullptr) return ThrowInvalidArgument(env, "scanner must be one of openScanner()");
  const TypedMemory stop = GetTypedMemory(info[3], napi_int32_array);
  if (stop.bytes < sizeof(int32_t)) return ThrowInvalidArgument(env, "stop must be an Int32Array");
  if (!info[4].IsFunction()) return ThrowInvalidArgument(env, "done must be a function");
  const bool has_pids = !info[1].IsUndefined();
  bool is_array = false;
  napi_is_typedarray(env, info[1], &is_array);
  if (has_pids && !is_array) return ThrowInvalidArgument(env, "pids must be a Uint32Array");
  if (holder->closed) return Napi::Number::New(env, -EBADF);
  if (holder->scanning) return Napi::Number::New(env, -EBUSY);

  auto* scan = new (std::nothrow) Scan();
  if (scan == nullptr) return Napi::Number::New(env, -ENOMEM);
  scan->holder = holder;
  scan->want = ToUint32(info[2]);
  scan->stop = reinterpret_cast<const int32_t*>(stop.data);
  holder->holders++;
  holder->scanning = true;
  // The pids are copied: JavaScript may change its array during the scan. An empty array has no memory, but
  // still means no process, not every process.
  const TypedMemory pids = has_pids ? GetTypedMemory(info[1], napi_uint32_array) : TypedMemory();
  if (has_pids) {
    scan->pid_count = pids.bytes / sizeof(uint32_t);
    scan->pids = static_cast<uint32_t*>(malloc(pids.bytes + sizeof(uint32_t)));
    if (scan->pids != nullptr && pids.bytes > 0) memcpy(scan->pids, pids.data, pids.bytes);
  }
  napi_value name;
  if ((has_pids && scan->pids == nullptr) ||
      napi_create_reference(env, info[3], 1, &scan->stop_reference) != napi_ok ||
      napi_create_reference(env, info[4], 1, &scan->done) != napi_ok ||
      napi_create_string_utf8(env, "percpu:scan", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, ExecuteScan, CompleteScan, scan, &scan->work) != napi_ok ||
      napi_queue_async_work(env, scan->work) != napi_ok) {
    DeleteScan(env, scan);
    return Napi::Number::New(env, -ENOMEM);
  }
  return Napi::Number::New(env, 0);
}

// (scanner)
Napi::Value CloseScanner(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ScannerHolder* holder = GetHolder(info[0]);
  if (holder == nullptr) return ThrowInvalidArgument(env, "scanner must be one of openScanner()");
  holder->closed = true;
  StopHolder(holder);
  // A running scan uses the files. CompleteScan() closes them.
  if (!holder->scanning) holder->scanner.CloseFiles();
  return env.Undefined();
}

// (touchCpu, readCpu, batch): a Float64Array of observations, or a negated errno.
Napi::Value Probe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t touch_cpu = ToUint32(info[0]);
  const uint32_t read_cpu = ToUint32(info[1]);
  const uint32_t batch = ToUint32(info[2]);
  constexpr uint32_t kMost = 1u << 20;
  if (touch_cpu >= kMost || read_cpu >= kMost || batch < 4 || batch > kMost) {
    return ThrowInvalidArgument(env, "CPUs and batch must be in range");
  }
  DriftObservations seen;
  const int error = ProbeAccounting(touch_cpu, read_cpu, batch, &seen);
  if (error != 0) return Napi::Number::New(env, -error);
  void* data;
  napi_value buffer;
  napi_value array;
  if (napi_create_arraybuffer(env, sizeof(seen), &data, &buffer) != napi_ok) return env.Undefined();
  memcpy(data, &seen, sizeof(seen));
  if (napi_create_typedarray(env, napi_float64_array, sizeof(seen) / sizeof(double), buffer, 0, &array) !=
      napi_ok) {
    return env.Undefined();
  }
  return Napi::Value(env, array);
}

}  // namespace

void ExportProc(napi_env env, napi_value exports) {
  Export<OwnResident>(env, exports, "ownResidentPages");
  Export<ReadOwn>(env, exports, "readOwnProcess");
  Export<ReadOne>(env, exports, "readProcess");
  Export<OpenScanner>(env, exports, "openScanner");
  Export<ScanProcesses>(env, exports, "scanProcesses");
  Export<CloseScanner>(env, exports, "closeScanner");
  Export<Probe>(env, exports, "probeAccounting");
}

}  // namespace percpu
