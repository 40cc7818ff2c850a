// The addon: its version and its functions.
#include "binding/binding.h"

#ifndef PERCPU_VERSION
#error "PERCPU_VERSION must be the version in package.json"
#endif

namespace percpu {

// scripts/prebuild/targets.mjs searches the binary for this text.
constexpr char kMark[] = "percpu.node ";
constexpr char kMarkedVersion[] = "percpu.node " PERCPU_VERSION;

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  napi_value version;
  const char* text = kMarkedVersion + sizeof(kMark) - 1;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &version) == napi_ok) {
    napi_set_named_property(env, exports, "version", version);
  }
  ExportCpu(env, exports);
  ExportProc(env, exports);
  ExportRun(env, exports);
  return exports;
}

}  // namespace percpu

using percpu::Initialise;
NODE_API_MODULE(percpu, Initialise)
