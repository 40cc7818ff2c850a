# Included by binding.gyp. Commands run in the package's folder. Paths are relative to this file.
{
  'targets': [
    {
      'target_name': 'percpu',
      'sources': [
        '<!@(node -p "require(\'fs\').readFileSync(\'native/sources.txt\', \'utf8\').trim().split(/\\s+/).join(\' \')")',
        '<!@(node -p "require(\'fs\').readFileSync(\'native/binding/sources.txt\', \'utf8\').trim().split(/\\s+/).join(\' \')")',
      ],
      'include_dirs': [
        '.',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker that is being terminated cannot receive an exception. Without this the process would abort.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
        'PERCPU_VERSION="<!(node -p "require(\'./package.json\').version")"',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fno-rtti', '-fvisibility=hidden', '-ffunction-sections', '-fdata-sections', '-Wall', '-Wextra', '-O2'],
      'cflags!': ['-O3'],
      # The path is relative to build/, where make links. No C++ runtime is linked: native/binding/runtime.cc has the
      # functions that are used.
      'ldflags': ['-Wl,--version-script=../native/exports.map', '-Wl,--as-needed', '-Wl,--gc-sections'],
    },
  ],
}
