// An addon for tests, made of the product's headers. The product's own addon has none of its functions.
#pragma once

#include <node_api.h>

namespace percpu {

void ExportCounter(napi_env env, napi_value exports);
void ExportSchema(napi_env env, napi_value exports);

}  // namespace percpu
