// musl's headers and C library for both architectures: Debian's packages, downloaded and unpacked into a cache, never
// installed. apt is asked with lists of its own, so that the machine's architectures stay as they are.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'percpu-prebuild');
const debianName = { x64: 'amd64', arm64: 'arm64' };

/** Where musl is unpacked for an architecture: a root with usr/include and lib. */
export function muslFolder(arch) {
  return join(cache, `musl-${arch}`);
}

export function hasMusl(arch) {
  return existsSync(join(muslFolder(arch), 'lib'));
}

/** @throws Error with `output` where apt cannot get it. */
export async function fetchMusl(arch) {
  const apt = join(cache, `apt-${arch}`);
  for (const folder of ['lists/partial', 'cache/archives/partial', 'debs'])
    mkdirSync(join(apt, folder), { recursive: true });
  const name = debianName[arch];
  const options = [
    ...[`APT::Architecture=${name}`, `APT::Architectures=${name}`, 'APT::Sandbox::User=root'],
    ...[`Dir::State::Lists=${join(apt, 'lists')}`, `Dir::Cache=${join(apt, 'cache')}`, 'Dir::State::status=/dev/null'],
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, 'update', '-qq'], { capture: true });
  const debs = join(apt, 'debs');
  await run('apt-get', [...options, 'download', '-qq', 'musl-dev', 'musl'], { capture: true, cwd: debs });
  for (const deb of readdirSync(debs)) {
    await run('dpkg-deb', ['--extract', join(debs, deb), muslFolder(arch)], { capture: true });
  }
}
