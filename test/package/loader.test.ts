import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon, runtimeLibc } from '../../lib/native/loader.js';
import { native } from '../../lib/native/native.js';
import { VERSION } from '../../lib/version.js';
import packageJson from '../../package.json' with { type: 'json' };
import { versionMark } from '../../scripts/prebuild/targets.mjs';
import { makeFolder, printed, removeFolders, repository } from '../support/consumer.js';
import { fakeElf } from '../support/fake-elf.js';
import { describeUnless, notLinux } from '../support/skip.js';

const onLinux = describeUnless(notLinux);
const OWN_LIBC = runtimeLibc();
const OTHER_LIBC = OWN_LIBC === 'glibc' ? 'musl' : 'glibc';
const LIBRARY = { glibc: 'libc.so.6', musl: 'libc.so' };
const OWN_MACHINE = process.arch === 'arm64' ? 183 : 62;
const OTHER = process.arch === 'arm64' ? { machine: 62, arch: 'x64' } : { machine: 183, arch: 'arm64' };

afterAll(removeFolders);

/** An installed package, as far as the loader is concerned. */
let folder: string;
let moduleUrl: string;
let prebuilt: string;

beforeEach(() => {
  folder = makeFolder();
  moduleUrl = pathToFileURL(join(folder, 'dist', 'native', 'native.js')).href;
  prebuilt = join(folder, 'prebuilds', `linux-${process.arch}`, `percpu.${OWN_LIBC}.node`);
  mkdirSync(dirname(prebuilt), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"name":"percpu"}');
});

const load = (setting?: string) => loadAddon(setting, moduleUrl);

/** The loader's reason, told by a process of its own, which is ended where it waits for something. */
function reasonOf(setting: string | undefined, code?: string): string {
  const args = [setting ?? '', code ? pathToFileURL(code).href : ''].map((value) => JSON.stringify(value)).join(', ');
  const program = `const { loadAddon } = await import('${pathToFileURL(repository)}dist/native/loader.js');
    console.log(loadAddon(${args}).reason);`;
  const options = { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' } as const;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', program], options).trim();
}

/** What becomes of a file in the prebuilt binary's place. */
function outcomeOf(bytes: Buffer | string): string {
  writeFileSync(prebuilt, bytes);
  const { addon, reason, attempts } = load();
  expect(addon).toBeUndefined();
  expect(attempts.map(({ source, path }) => ({ source, path }))).toEqual([
    { source: 'build', path: join(folder, 'build', 'Release', 'percpu.node') },
    { source: 'prebuild', path: prebuilt },
  ]);
  expect(reason).toBe(`not built; ${prebuilt}: ${attempts[1]!.outcome}`);
  return attempts[1]!.outcome;
}

it('the version in the code is that of the package', () => {
  expect(VERSION).toBe(packageJson.version);
});

onLinux('a file that does not fit', () => {
  it('nothing there', () => {
    const { addon, reason, attempts } = load();
    expect(addon).toBeUndefined();
    expect(reason).toBe(`not built; no prebuilt binary for linux-${process.arch} (${OWN_LIBC})`);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(reason.split('; '));
  });

  it('text', () => expect(outcomeOf('this is no addon\n')).toBe('not a shared library'));
  it('nothing in it', () => expect(outcomeOf('')).toBe('not a shared library'));

  it('for another C library', () => {
    expect(outcomeOf(fakeElf({ machine: OWN_MACHINE, needed: [LIBRARY[OTHER_LIBC]] }))).toBe(
      `built for ${OTHER_LIBC}, and this runtime uses ${OWN_LIBC}`,
    );
  });

  it('for another architecture', () => {
    expect(outcomeOf(fakeElf({ machine: OTHER.machine, needed: [LIBRARY[OWN_LIBC]] }))).toBe(
      `built for ${OTHER.arch}, and this runtime is for ${process.arch}`,
    );
  });

  it('a library that the system refuses: its own words, in one line', () => {
    const outcome = outcomeOf(fakeElf({ machine: OWN_MACHINE, needed: ['libnowhere.so.1'] }));
    expect(outcome).not.toMatch(/\n/);
    expect(outcome.length).toBeGreaterThan(10);
  });

  it('a directory', () => {
    mkdirSync(prebuilt);
    expect(load().attempts[1]?.outcome).toMatch(/is not a regular file/);
  });
});

const addonPath = native.addon && native.attempts.at(-1)!.path;
const without = addonPath ? '' : ` (skipped: ${native.reason})`;

describe.skipIf(!addonPath)(`the addon itself${without}`, () => {
  it('loads as a local build, and as a prebuilt binary where there is none', () => {
    copyFileSync(addonPath!, prebuilt);
    const second = load();
    expect(second.addon?.version).toBe(VERSION);
    expect(second.reason).toBe(`loaded from ${prebuilt}`);
    expect(second.attempts.map(({ outcome }) => outcome)).toEqual(['not built', 'loaded']);

    const built = join(folder, 'build', 'Release', 'percpu.node');
    mkdirSync(dirname(built), { recursive: true });
    copyFileSync(addonPath!, built);
    expect(load().reason).toBe(`loaded from ${built}`);
  });

  it('goes on to the prebuilt binary where the local build does not fit', () => {
    const built = join(folder, 'build', 'Release', 'percpu.node');
    mkdirSync(dirname(built), { recursive: true });
    writeFileSync(built, 'an interrupted build');
    copyFileSync(addonPath!, prebuilt);
    expect(load().attempts.map(({ outcome }) => outcome)).toEqual(['not a shared library', 'loaded']);
  });

  it('cut off anywhere, it is not given to the system, which would end the process', () => {
    const whole = readFileSync(addonPath!);
    for (const length of [64, 4096, whole.length >> 1, whole.length - 4096, whole.length - 1]) {
      expect(outcomeOf(whole.subarray(0, length)), String(length)).toBe('the file is cut off');
    }
  });

  it('of another version', () => {
    const other = readFileSync(addonPath!);
    const mark = versionMark(VERSION);
    const at = other.indexOf(mark, 0, 'latin1');
    expect(at).toBeGreaterThan(0);
    other.write(mark.replace(VERSION, '9.9.9'), at, 'latin1');
    expect(VERSION).toHaveLength(5);
    expect(outcomeOf(other)).toBe(`of version 9.9.9, and the package is ${VERSION}`);
  });

  it('PERCPU_NATIVE names a file, also by a path relative to the working directory', () => {
    const copy = join(folder, 'elsewhere.node');
    copyFileSync(addonPath!, copy);
    for (const setting of [copy, relative(process.cwd(), copy)]) {
      const status = load(setting);
      expect(status.reason).toBe(`loaded from ${copy}, by PERCPU_NATIVE`);
      expect(status.attempts).toEqual([{ source: 'PERCPU_NATIVE', path: copy, outcome: 'loaded' }]);
    }
  });

  it('PERCPU_NATIVE names a file below a folder that has a FIFO for its package.json, which is not waited for', () => {
    const place = join(folder, 'below');
    mkdirSync(place);
    copyFileSync(addonPath!, join(place, 'percpu.node'));
    rmSync(join(folder, 'package.json'));
    execFileSync('mkfifo', [join(folder, 'package.json')]);
    expect(reasonOf(join(place, 'percpu.node'))).toBe(`loaded from ${join(place, 'percpu.node')}, by PERCPU_NATIVE`);
  });

  it('PERCPU_NATIVE names the only place: no other is looked into', () => {
    copyFileSync(addonPath!, prebuilt);
    const { addon, reason, attempts } = load('/nowhere/percpu.node');
    expect(addon).toBeUndefined();
    expect(reason).toBe('PERCPU_NATIVE=/nowhere/percpu.node: no such file');
    expect(attempts).toHaveLength(1);
    for (const setting of ['', '1']) expect(load(setting).addon, setting).toBeDefined();
  });
});

it('PERCPU_NATIVE=0 looks nowhere', () => {
  expect(load('0')).toEqual({ addon: undefined, reason: 'switched off by PERCPU_NATIVE=0', attempts: [] });
});

onLinux('without a file that the code runs from', () => {
  it('says how to have the addon', () => {
    const { addon, reason } = loadAddon(undefined, undefined);
    expect(addon).toBeUndefined();
    expect(reason).toMatch(/runs from no file; PERCPU_NATIVE/);
  });
});

onLinux('beside a bundle', () => {
  const reasonAt = (app: string) => reasonOf(undefined, join(app, 'bundle.mjs'));
  const packageAt = (place: string, manifest = '{"name":"percpu"}') => {
    const at = join(place, 'node_modules', 'percpu');
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'package.json'), manifest);
    return at;
  };

  it('does not wait for a FIFO in a folder above it, and finds the package further up', () => {
    const app = join(folder, 'work', 'app', 'dist');
    mkdirSync(app, { recursive: true });
    const foreign = join(folder, 'work', 'node_modules', 'percpu');
    mkdirSync(foreign, { recursive: true });
    execFileSync('mkfifo', [join(foreign, 'package.json')]);
    expect(reasonAt(app)).toBe(
      `no package percpu is installed beside the bundle ${join(app, 'bundle.mjs')}; PERCPU_NATIVE can give the path of percpu.node`,
    );
    const installed = packageAt(folder);
    mkdirSync(join(installed, 'build', 'Release', 'percpu.node'), { recursive: true });
    expect(reasonAt(app)).toContain(join(installed, 'build', 'Release', 'percpu.node'));
  });

  it('takes the nearest package of that name, behind a link too, and none of another name', () => {
    const app = join(folder, 'work', 'app', 'dist');
    packageAt(app, '{"name":"another"}');
    const store = join(folder, 'store', 'percpu');
    mkdirSync(join(store, 'build', 'Release', 'percpu.node'), { recursive: true });
    writeFileSync(join(store, 'package.json'), '{"name":"percpu"}');
    mkdirSync(join(folder, 'work', 'node_modules'));
    symlinkSync(store, join(folder, 'work', 'node_modules', 'percpu'));
    packageAt(folder);
    expect(reasonAt(app)).toContain(join(store, 'build', 'Release', 'percpu.node'));
  });
});

describe('runtimeLibc', () => {
  it.each([
    ['/lib64/ld-linux-x86-64.so.2', 'glibc'],
    ['/lib/ld-musl-x86_64.so.1', 'musl'],
    ['/lib/ld-musl-aarch64.so.1', 'musl'],
  ])('%s: %s', (linker, libc) => {
    const program = join(folder, 'program');
    writeFileSync(program, Buffer.concat([Buffer.alloc(700, 1), Buffer.from(`${linker}\0`), Buffer.alloc(9000, 2)]));
    expect(runtimeLibc(program)).toBe(libc);
  });

  it('is glibc where the program cannot be read', () => {
    expect(runtimeLibc(join(folder, 'gone'))).toBe('glibc');
  });
});

onLinux('a feature that needs the addon', () => {
  it('says what was tried, as the cause', async () => {
    const error = await printed<{ code: string; message: string; cause: object[] }>(
      `const { CounterTree, runOnCpus } = await import('${pathToFileURL(repository)}dist/index.js');
       const error = await runOnCpus({ counter: new CounterTree(), iterations: 1 }).catch((error) => error);
       console.log(JSON.stringify({ code: error.code, message: error.message, cause: error.cause }));`,
      { env: { PERCPU_NATIVE: '/nowhere/percpu.node' } },
    );
    expect(error).toEqual({
      code: 'ERR_NATIVE_UNAVAILABLE',
      message: expect.stringContaining('PERCPU_NATIVE=/nowhere/percpu.node: no such file'),
      cause: [{ source: 'PERCPU_NATIVE', path: '/nowhere/percpu.node', outcome: 'no such file' }],
    });
  });

  it('a runtime that permits no addons runs on the fallback', async () => {
    const [major] = process.versions.node.split('.').map(Number);
    const permission = major! < 22 ? '--experimental-permission' : '--permission';
    const { runProgram } = await import('../support/consumer.js');
    const { code, stdout } = await runProgram(process.execPath, [
      ...[permission, '--allow-fs-read=*', '--input-type=module', '--eval'],
      `const { CounterTree } = await import('${pathToFileURL(repository)}dist/index.js');
       const { native } = await import('${pathToFileURL(repository)}dist/native/native.js');
       const counter = new CounterTree();
       counter.add(7);
       console.log(JSON.stringify([counter.preciseSum(), native.addon === undefined, native.reason]));`,
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      7,
      true,
      expect.stringMatching(addonPath ? /loading addons is disabled|restricted/ : /./),
    ]);
  });
});
