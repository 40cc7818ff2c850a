import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
// The default export, because webpack follows the name `createRequire` and warns of paths that it cannot know.
import module from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, firstLine } from '../errors.js';
import { readManifest, readRegularFile } from '../regular-file.js';
import { VERSION } from '../version.js';
import type { NativeAddon } from './addon.js';
import { inspectElf } from './elf.js';
import { anyonesReason, strangersReason } from './writers.js';

type Libc = 'glibc' | 'musl';

interface LoadAttempt {
  source: 'PERCPU_NATIVE' | 'build' | 'prebuild';
  path: string;
  /** 'loaded', or why not. */
  outcome: string;
}

export interface NativeStatus {
  readonly addon: NativeAddon | undefined;
  /** Where it was loaded from, or why it was not; one line. */
  readonly reason: string;
  readonly attempts: readonly LoadAttempt[];
}

const NAME = 'percpu';
const MANIFEST = `${NAME}/package.json`;

/** More than any build of the addon has, with sanitizers and debugging information. */
const ADDON_BYTES = 256 << 20;

/** The dynamic linker's path is near the start of a program. */
const PROGRAM_HEAD_BYTES = 4096;

/** The C library that the running program was linked with; glibc if it cannot be read. */
export function runtimeLibc(program = process.execPath): Libc {
  try {
    const head = Buffer.alloc(PROGRAM_HEAD_BYTES);
    const file = openSync(program, 'r');
    try {
      readSync(file, head, 0, head.length, 0);
    } finally {
      closeSync(file);
    }
    return head.includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    return 'glibc';
  }
}

function libcOf(needed: readonly string[]): Libc | undefined {
  if (needed.includes('libc.so.6')) return 'glibc';
  return needed.some((name) => name === 'libc.so' || name.startsWith('libc.musl-')) ? 'musl' : undefined;
}

/** @returns why the file must not be loaded; undefined if it may. */
function unfit(bytes: Uint8Array): string | undefined {
  const library = inspectElf(bytes);
  if (typeof library === 'string') return library;
  if (library.arch !== process.arch) return `built for ${library.arch}, and this runtime is for ${process.arch}`;
  const wanted = libcOf(library.needed);
  const found = runtimeLibc();
  return wanted && wanted !== found ? `built for ${wanted}, and this runtime uses ${found}` : undefined;
}

/**
 * @param danger returns why the path must not be trusted, if so.
 * @returns the addon, or why not; undefined if there is no such file.
 */
export function tryAddon(path: string, danger: (path: string) => string | undefined): NativeAddon | string | undefined {
  try {
    // In this order: once `danger` approves, no other user can change what is read and loaded.
    const problem = danger(path) ?? unfit(readRegularFile(path, ADDON_BYTES, 'follow'));
    if (problem) return problem;
    // An absolute path can be required from any place. `require` reads each package.json above its place, and would block on
    // a FIFO there; above the root there is none.
    const addon = module.createRequire('/')(path) as NativeAddon | undefined;
    if (typeof addon?.version !== 'string') return 'an addon of another package';
    return addon.version === VERSION ? addon : `of version ${addon.version}, and the package is ${VERSION}`;
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : firstLine(error);
  }
}

/** This package's folder; for bundled code, the folder of the package that is installed beside the bundle. */
function packageFolder(moduleUrl: string): string | undefined {
  const own = fileURLToPath(new URL('../..', moduleUrl));
  // The folder above a bundle, and all it holds, belongs to another package.
  return isPackage(own) ? own : installedFolder(moduleUrl);
}

/**
 * The folder that a module would import the package from. Node's own search opens each package.json on its way and blocks
 * on a FIFO, and folders above a bundle may belong to other users.
 */
function installedFolder(moduleUrl: string): string | undefined {
  const { resolve: find } = module.createRequire(moduleUrl);
  if (process.versions.pnp) {
    // Yarn's Plug'n'Play has a table instead of folders.
    try {
      return dirname(find(MANIFEST));
    } catch {
      return undefined;
    }
  }
  const folder = (find.paths(NAME) ?? []).map((place) => join(place, NAME)).find(isPackage);
  return folder && realpathSync(folder);
}

function isPackage(folder: string): boolean {
  return readManifest(join(folder, 'package.json'))?.name === NAME;
}

function tryFolder(folder: string, code: string, attempts: LoadAttempt[]): NativeAddon | undefined {
  const { platform, arch } = process;
  const libc = runtimeLibc();
  const places = [
    { source: 'build', path: join(folder, 'build', 'Release', 'percpu.node') },
    { source: 'prebuild', path: join(folder, 'prebuilds', `${platform}-${arch}`, `percpu.${libc}.node`) },
  ] as const;
  for (const { source, path } of places) {
    const found = tryAddon(path, (file) => strangersReason(file, folder, code));
    const missing = source === 'build' ? 'not built' : `no prebuilt binary for ${platform}-${arch} (${libc})`;
    const outcome = found === undefined ? missing : typeof found === 'string' ? found : 'loaded';
    attempts.push({ source, path, outcome });
    if (typeof found === 'object') return found;
  }
  return undefined;
}

function whyNot(attempts: readonly LoadAttempt[], moduleUrl: string | undefined): string {
  if (attempts.length === 0) {
    const place = moduleUrl ? `beside the bundle ${fileURLToPath(moduleUrl)}` : 'here: this code runs from no file';
    return `no package percpu is installed ${place}; PERCPU_NATIVE can give the path of percpu.node`;
  }
  const missing = (outcome: string) => outcome === 'not built' || outcome.startsWith('no prebuilt');
  return attempts.map(({ path, outcome }) => (missing(outcome) ? outcome : `${path}: ${outcome}`)).join('; ');
}

/**
 * Looks for the addon: only at the path of `setting`, if that is one; else in the package's folder a local build, then the
 * prebuilt binary for this platform, architecture and C library. A file that others may write is not loaded (writers.ts).
 *
 * @param setting the environment's PERCPU_NATIVE: '0' for no addon, a path, or '1' or nothing for the usual places.
 * @param moduleUrl file: URL of a module two folders below the package's, or of its bundle.
 */
export function loadAddon(setting: string | undefined, moduleUrl: string | undefined): NativeStatus {
  const without = (reason: string, attempts: LoadAttempt[] = []) => ({ addon: undefined, reason, attempts });
  if (setting === '0') return without('switched off by PERCPU_NATIVE=0');
  if (process.platform !== 'linux') return without(`the addon is for Linux, this is ${process.platform}`);
  const attempts: LoadAttempt[] = [];
  if (setting && setting !== '1') {
    const path = resolve(setting);
    const found = tryAddon(path, anyonesReason);
    const outcome = found === undefined ? 'no such file' : typeof found === 'string' ? found : 'loaded';
    attempts.push({ source: 'PERCPU_NATIVE', path, outcome });
    if (typeof found === 'object') return { addon: found, reason: `loaded from ${path}, by PERCPU_NATIVE`, attempts };
    return without(`PERCPU_NATIVE=${setting}: ${outcome}`, attempts);
  }
  const folder = moduleUrl && packageFolder(moduleUrl);
  const addon = folder && tryFolder(folder, fileURLToPath(moduleUrl), attempts);
  if (addon) return { addon, reason: `loaded from ${attempts.at(-1)!.path}`, attempts };
  return without(whyNot(attempts, moduleUrl), attempts);
}
