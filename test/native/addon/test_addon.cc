#include "test_addon.h"

#include <napi.h>

static Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  percpu::ExportCounter(env, exports);
  percpu::ExportSchema(env, exports);
  return exports;
}

NODE_API_MODULE(percpu_test, Initialise)
