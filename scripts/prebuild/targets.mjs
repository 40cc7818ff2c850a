// What prebuilt binaries there are, and how each is compiled: with Debian 12's g++ 12 for glibc, and for musl with the
// same compilers, musl's own headers and C library, and nothing of a C++ runtime.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, run } from '../run.mjs';
import { muslFolder } from './musl.mjs';

const here = join(repository, 'scripts', 'prebuild');

/** Node-API 8, which all of them have, is what counts; this names the headers that node-gyp is told it builds for. */
export const NODE_TARGET = '20.20.2';

/** What a binary of that version holds: native/binding/addon.cc has it. */
export function versionMark(version) {
  return `percpu.node ${version}\0`;
}

const machines = {
  x64: {
    prefix: '',
    gnu: 'x86_64-linux-gnu',
    cxxIncludes: ['/usr/include/c++/12', '/usr/include/x86_64-linux-gnu/c++/12'],
  },
  arm64: {
    prefix: 'aarch64-linux-gnu-',
    gnu: 'aarch64-linux-gnu',
    cxxIncludes: ['/usr/aarch64-linux-gnu/include/c++/12', '/usr/aarch64-linux-gnu/include/c++/12/aarch64-linux-gnu'],
  },
};

/** @type {{ name: string, arch: 'x64' | 'arm64', libc: 'glibc' | 'musl', file: string }[]} */
export const targets = Object.keys(machines).flatMap((arch) =>
  ['glibc', 'musl'].map((libc) => ({
    name: `linux-${arch}-${libc}`,
    arch,
    libc,
    file: `prebuilds/linux-${arch}/percpu.${libc}.node`,
  })),
);

/** Commands a target needs, by the Debian package that has them. */
export function neededTools({ arch }) {
  const { prefix } = machines[arch];
  return [
    { command: `${prefix}g++-12`, debianPackage: arch === 'x64' ? 'g++-12' : 'g++-12-aarch64-linux-gnu' },
    { command: `${prefix}strip`, debianPackage: arch === 'x64' ? 'binutils' : 'binutils-aarch64-linux-gnu' },
    { command: 'make', debianPackage: 'make' },
    { command: 'python3', debianPackage: 'python3' },
  ];
}

/** Folders that differ from machine to machine must leave no trace in the binary. */
function withoutPaths(stage) {
  return [`-ffile-prefix-map=${stage}=.`, `-ffile-prefix-map=${repository}=.`];
}

/** musl's link line comes after the objects, which no variable of node-gyp's makefiles can say: a compiler of our own does. */
function writeMuslLinker(stage, compiler, libgcc, folder) {
  const file = join(stage, 'link');
  // By name: it has no soname, and its path would become part of the binary.
  const libraries = `-L'${folder}' -l:libc.so '${libgcc}'`;
  writeFileSync(file, `#!/bin/sh\nexec ${compiler} -nostdlib "$@" ${libraries}\n`, { mode: 0o755 });
  return file;
}

/**
 * @param {typeof targets[number]} target
 * @param {string} stage the folder the build happens in.
 * @returns {Promise<Record<string, string>>} the environment for prebuildify and the node-gyp it runs.
 */
export async function buildEnvironment({ arch, libc }, stage) {
  const { prefix, gnu, cxxIncludes } = machines[arch];
  const compiler = `${prefix}g++-12`;
  const environment = {
    CC: `${prefix}gcc-12`,
    CXX: compiler,
    PREBUILD_STRIP_BIN: `${prefix}strip`,
    PREBUILD_LIBC: libc,
    LDFLAGS: '-Wl,--build-id=none',
  };
  if (libc === 'glibc') {
    const flags = ['-include', join(here, 'glibc-floor.h'), ...withoutPaths(stage)];
    return { ...environment, CXXFLAGS: flags.join(' ') };
  }
  const musl = muslFolder(arch);
  const ask = async (question) => (await run(compiler, [question], { capture: true })).trim();
  const includes = [
    join(here, 'musl'),
    ...cxxIncludes,
    join(musl, 'usr', 'include', gnu.replace('gnu', 'musl')),
    await ask('-print-file-name=include'),
  ];
  const flags = ['-nostdinc', '-nostdinc++', '-U_FORTIFY_SOURCE', ...includes.map((folder) => `-isystem ${folder}`)];
  const library = join(musl, 'lib', gnu.replace('gnu', 'musl'));
  return {
    ...environment,
    CXXFLAGS: [...flags, ...withoutPaths(stage)].join(' '),
    LINK: writeMuslLinker(stage, compiler, await ask('-print-libgcc-file-name'), library),
  };
}
