// The structures and constants that C++ shares with TypeScript, as they are compiled.
#include <cstddef>

#include "binding/binding.h"
#include "binding/run_row.h"
#include "counter/arena_view.h"
#include "proc/accounting_probe.h"
#include "proc/rss_reader.h"
#include "test_addon.h"

namespace percpu {

namespace {

struct Field {
  const char* name;
  size_t offset;
  size_t bytes;
};

struct Constant {
  const char* name;
  double value;
};

#define FIELD_OF(type, name) {#name, offsetof(type, name), sizeof(type::name)},

#define FIELD(name) FIELD_OF(ProcessRow, name)
constexpr Field kProcessRow[] = {PERCPU_PROCESS_ROW_FIELDS(FIELD) FIELD(name)};
#undef FIELD

#define FIELD(name) FIELD_OF(DriftObservations, name)
constexpr Field kDriftObservations[] = {PERCPU_DRIFT_FIELDS(FIELD)};
#undef FIELD

#define FIELD(name) FIELD_OF(RunRow, name)
constexpr Field kRunRow[] = {PERCPU_RUN_ROW_FIELDS(FIELD)};
#undef FIELD

#define FIELD(name) FIELD_OF(ArenaHeader, name)
constexpr Field kArenaHeader[] = {FIELD(magic) FIELD(version) FIELD(cpus) FIELD(capacity) FIELD(order)
                                      FIELD(levels) FIELD(items) FIELD(leaf_offset_mask)};
#undef FIELD

#define FIELD(name) FIELD_OF(Descriptor, name)
constexpr Field kDescriptor[] = {FIELD(generation) FIELD(owner) FIELD(leaf) FIELD(items) FIELD(root)
                                     FIELD(pins) FIELD(quarantined) FIELD(batch)};
#undef FIELD

constexpr Constant kConstants[] = {
    {"MAGIC", kArenaMagic},
    {"LAYOUT_VERSION", kLayoutVersion},
    {"LEAF_OFFSETS", kLeafOffsets},
    {"CACHE_LINE", kCacheLine},
    {"DESCRIPTOR_BYTES", kDescriptorBytes},
    {"MAX_CPUS", kMaxCpus},
    {"MAX_LEVELS", kMaxLevels},
    {"KEPT_FILES", kKeptFiles},
    {"WANT_ROLLUP", kWantRollup},
    {"WANT_OOM", kWantOom},
    {"WANT_STATUS", kWantStatus},
    {"WANT_CPU", kWantCpu},
    {"ERRNOS", kErrnos},
};

void SetNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  napi_set_named_property(env, object, name, value);
}

napi_value NewString(napi_env env, const char* text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

// Sets schema[name] to { bytes, fields: [{ name, offset, bytes }] }.
template <size_t kCount>
void SetStruct(napi_env env, napi_value schema, const char* name, size_t bytes,
               const Field (&fields)[kCount]) {
  napi_value object;
  napi_value array;
  napi_create_object(env, &object);
  napi_create_array(env, &array);
  for (uint32_t i = 0; i < kCount; i++) {
    napi_value field;
    napi_create_object(env, &field);
    napi_set_named_property(env, field, "name", NewString(env, fields[i].name));
    SetNumber(env, field, "offset", static_cast<double>(fields[i].offset));
    SetNumber(env, field, "bytes", static_cast<double>(fields[i].bytes));
    napi_set_element(env, array, i, field);
  }
  SetNumber(env, object, "bytes", static_cast<double>(bytes));
  napi_set_named_property(env, object, "fields", array);
  napi_set_named_property(env, schema, name, object);
}

}  // namespace

void ExportSchema(napi_env env, napi_value exports) {
  napi_value schema;
  napi_value constants;
  napi_value files;
  napi_create_object(env, &schema);
  napi_create_object(env, &constants);
  napi_create_array(env, &files);
  SetStruct(env, schema, "ProcessRow", sizeof(ProcessRow), kProcessRow);
  SetStruct(env, schema, "DriftObservations", sizeof(DriftObservations), kDriftObservations);
  SetStruct(env, schema, "RunRow", sizeof(RunRow), kRunRow);
  SetStruct(env, schema, "ArenaHeader", sizeof(ArenaHeader), kArenaHeader);
  SetStruct(env, schema, "Descriptor", sizeof(Descriptor), kDescriptor);
  for (const Constant& constant : kConstants) SetNumber(env, constants, constant.name, constant.value);
  for (uint32_t file = 0; file < kRoot; file++) {
    napi_set_element(env, files, file, NewString(env, kFileNames[file]));
  }
  napi_set_named_property(env, schema, "constants", constants);
  napi_set_named_property(env, schema, "files", files);
  napi_set_named_property(env, exports, "schema", schema);
}

}  // namespace percpu
