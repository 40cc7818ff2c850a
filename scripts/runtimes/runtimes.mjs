// The runtimes the package is tried in, how each is got from npm, and how it is started.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hasMusl, muslFolder } from '../prebuild/musl.mjs';
import { isAvailable, repository, run } from '../run.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'percpu-runtimes');

const NODE_MAJORS = [20, 22, 24, 26];
const ARM_LIBRARIES = '/usr/aarch64-linux-gnu';
const MUSL_LINKER = '/lib/ld-musl-x86_64.so.1';

/** What a runtime is told so that it must not load addons, and yet can run threads and read files. */
const nodeDenied = (major) => [
  major < 22 ? '--experimental-permission' : '--permission',
  '--allow-fs-read=*',
  '--allow-worker',
  '--no-warnings',
];

const node = (arch, major) => ({
  name: `Node ${major}`,
  arch,
  libc: 'glibc',
  package: `node-linux-${arch}@${major}`,
  binary: 'bin/node',
  allowed: [],
  denied: nodeDenied(major),
});

const deno = ['run', '--no-prompt', '--allow-read', '--allow-env'];

export const runtimes = [
  ...NODE_MAJORS.map((major) => node('x64', major)),
  { name: 'Bun', arch: 'x64', libc: 'glibc', package: '@oven/bun-linux-x64@1', binary: 'bin/bun', allowed: [] },
  { name: 'Bun', arch: 'x64', libc: 'musl', package: '@oven/bun-linux-x64-musl@1', binary: 'bin/bun', allowed: [] },
  {
    name: 'Deno',
    arch: 'x64',
    libc: 'glibc',
    package: '@deno/linux-x64-glibc@2',
    binary: 'deno',
    // /proc and /sys are for those that are allowed everything.
    allowed: ['run', '--no-prompt', '--allow-all'],
    denied: deno,
  },
  ...NODE_MAJORS.map((major) => node('arm64', major)),
  {
    name: 'Bun',
    arch: 'arm64',
    libc: 'musl',
    package: '@oven/bun-linux-aarch64-musl@1',
    binary: 'bin/bun',
    allowed: [],
  },
];

/** @returns the folder of a runtime's package, fetched with npm where it is not in the cache. */
export async function fetchRuntime({ package: name }) {
  const folder = join(cache, name.replaceAll('/', '+'));
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const download = mkdtempSync(join(cache, '.download-'));
  try {
    await run('npm', ['pack', name, '--silent', '--pack-destination', download], { capture: true });
    const tarball = readdirSync(download).find((file) => file.endsWith('.tgz'));
    await run('tar', ['xzf', join(download, tarball), '-C', download], { capture: true });
    renameSync(join(download, 'package'), folder);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
  return folder;
}

/** Debian's libstdc++, and what it asks of glibc's linker, in a folder of their own. @returns variables that lead to them. */
async function muslLibraries(arch) {
  const compiler = arch === process.arch ? 'gcc' : 'aarch64-linux-gnu-gcc-12';
  const folder = join(cache, `musl-libraries-${arch}`);
  mkdirSync(folder, { recursive: true });
  for (const library of ['libstdc++.so.6', 'libgcc_s.so.1']) {
    const found = (await run(compiler, [`-print-file-name=${library}`], { capture: true })).trim();
    copyFileSync(found, join(folder, library));
  }
  const source = join(repository, 'scripts', 'runtimes', 'musl-stand-ins.c');
  // By the name under which libstdc++ asks for it on x64; on arm64 it asks for none.
  const name = arch === 'x64' ? 'ld-linux-x86-64.so.2' : 'stand-ins.so';
  const file = join(folder, name);
  await run(compiler, ['-shared', '-fPIC', '-nostdlib', source, '-o', file, `-Wl,-soname=${name}`], { capture: true });
  return { LD_LIBRARY_PATH: folder, ...(arch !== 'x64' && { LD_PRELOAD: file }) };
}

async function emulator({ arch, libc }, command) {
  if (arch !== 'arm64' || process.arch !== 'x64') return `this machine is ${process.arch}`;
  if (!(await isAvailable('qemu-aarch64-static'))) return 'no qemu-aarch64-static (Debian: qemu-user-static)';
  if (!existsSync(ARM_LIBRARIES)) return `no ${ARM_LIBRARIES} (Debian: libstdc++-12-dev-arm64-cross)`;
  const start = { command: 'qemu-aarch64-static', before: [command] };
  if (libc === 'glibc') return { ...start, env: { QEMU_LD_PREFIX: ARM_LIBRARIES } };
  if (!hasMusl(arch)) return 'no musl for arm64 (npm run prebuild -- --install fetches it)';
  if (!(await isAvailable('aarch64-linux-gnu-gcc-12')))
    return 'no aarch64-linux-gnu-gcc-12, to make what libstdc++ lacks there';
  return { ...start, env: { QEMU_LD_PREFIX: muslFolder(arch), ...(await muslLibraries(arch)) } };
}

/**
 * @returns how to start a runtime here: a command, what comes before its arguments, and variables; or a string, why it cannot
 *   be started.
 */
export async function launcher({ arch, libc, binary }, folder) {
  const command = join(folder, binary);
  if (arch !== process.arch) return emulator({ arch, libc }, command);
  if (libc === 'musl') {
    if (!existsSync(MUSL_LINKER)) return `no ${MUSL_LINKER} (Debian: musl)`;
    if (!(await isAvailable('gcc'))) return 'no gcc, to make what Debian has no libstdc++ for';
    return { command, before: [], env: await muslLibraries(arch) };
  }
  return { command, before: [], env: {} };
}
