// Boots Linux guests with many CPUs under software emulation and runs the suite of guest/ in each, on the package as npm
// packs it. Usage: npm run test:manycore -- [--cpus N] [--kernel VERSION] [--guest NAME] [--or-skip]
//
// Without options: 256 CPUs on every kernel whose accounting differs, and the topologies. --cpus, --kernel: one guest with
// so many CPUs (256) on that kernel (7.3). --guest: one of the list by its name. --or-skip: where no guest can be had, say
// why and end well. x86-64 Debian 12 as root; boot.sh fetches the rest into ~/.cache/percpu-manycore.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { repository, run } from '../../scripts/run.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const IMPOSSIBLE = 125;
const NEWEST = '7.3';

const upTo = (count) => Array.from({ length: count }, (_, cpu) => cpu);

/** The figure that kernel's OOM killer goes by. Debian's 6.12 has the newer counters of statm, and none has the newer badness. */
const badnessOf = (kernel) => (Number.parseFloat(kernel) >= 7 ? 'precise' : 'approximate');

/**
 * One guest: how it is booted, and what the suite has to find there.
 *
 * @param {{ name?: string, cpus: number, kernel?: string, parts?: string[], boot?: Record<string, string>,
 *   online?: number[], nodes?: number, packages?: number, threadsPerCore?: number, offline?: number[] }} guest
 */
function guest({ name, cpus, kernel = NEWEST, boot = {}, offline = [], parts, ...expected }) {
  // Linux 6.1 gives every number of a core twice in so large a package.
  const threadsPerCore = cpus >= 256 && kernel === '6.1' ? 2 : 1;
  const defaults = { online: upTo(cpus), possible: cpus, nodes: 1, packages: 1, threadsPerCore };
  return {
    name: name ?? `${cpus} CPUs, Linux ${kernel}`,
    cpus,
    kernel,
    boot,
    offline,
    suite: {
      parts: parts ?? ['example', 'topology', 'counters', 'rss', 'oom'],
      badness: badnessOf(kernel),
      ...defaults,
      ...expected,
    },
  };
}

const SHAPE = ['topology', 'counters'];

const guests = [
  ...[NEWEST, '6.17', '6.12', '6.1'].map((kernel) => guest({ cpus: 256, kernel })),
  guest({
    name: '2 sockets x 64 cores x 2 threads',
    cpus: 256,
    boot: { SMP: '256,sockets=2,cores=64,threads=2' },
    packages: 2,
    threadsPerCore: 2,
    parts: SHAPE,
  }),
  guest({ name: '4 NUMA nodes', cpus: 64, boot: { NUMA: '4' }, nodes: 4, parts: SHAPE }),
  guest({
    // Newer kernels do not count empty sockets of such a machine as CPUs that may come.
    name: '8 of 256 online',
    cpus: 256,
    kernel: '6.1',
    boot: { SMP: '8,sockets=32,cores=8,maxcpus=256' },
    online: upTo(8),
    threadsPerCore: 1,
    parts: [...SHAPE, 'rss'],
  }),
  guest({
    name: 'numbers above 63, and holes',
    cpus: 128,
    online: [0, 5, ...upTo(128).filter((cpu) => cpu > 69 && cpu !== 100)],
    offline: upTo(128).filter((cpu) => (cpu > 0 && cpu < 70 && cpu !== 5) || cpu === 100),
    parts: [...SHAPE, 'rss'],
  }),
];

function chosenGuests() {
  const { values } = parseArgs({
    options: {
      cpus: { type: 'string' },
      kernel: { type: 'string' },
      guest: { type: 'string' },
      'or-skip': { type: 'boolean', default: false },
    },
  });
  const orSkip = values['or-skip'];
  if (values.guest !== undefined) {
    const named = guests.filter(({ name }) => name === values.guest);
    if (named.length === 0) throw new Error(`--guest takes one of: ${guests.map(({ name }) => name).join('; ')}`);
    return { orSkip, chosen: named };
  }
  if (values.cpus === undefined && values.kernel === undefined) return { orSkip, chosen: guests };
  const cpus = Number(values.cpus ?? 256);
  if (!Number.isInteger(cpus) || cpus < 2 || cpus > 512) throw new Error('--cpus takes a number from 2 to 512');
  return { orSkip, chosen: [guest({ cpus, kernel: values.kernel ?? NEWEST })] };
}

/** What the guest is given: the package as it is installed, the suite, and its program in C++. */
async function prepareFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'percpu-manycore-'));
  const modules = join(folder, 'node_modules', 'percpu');
  mkdirSync(modules, { recursive: true });
  const packed = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    capture: true,
    env: { PERCPU_PACK_PARTIAL: '1' },
  });
  const tarball = join(folder, packed.trim().split('\n').at(-1));
  await run('tar', ['-xzf', tarball, '-C', modules, '--strip-components=1'], { capture: true });
  rmSync(tarball);
  mkdirSync(join(folder, 'suite'));
  for (const file of readdirSync(join(here, 'guest'))) {
    if (file.endsWith('.mjs')) copyFileSync(join(here, 'guest', file), join(folder, 'suite', file));
  }
  copyFileSync(join(repository, 'examples', 'rss-hop.mjs'), join(folder, 'suite', 'rss-hop.mjs'));
  await run(process.env.CXX ?? 'c++', ['-O2', join(here, 'guest', 'hop.cc'), '-o', join(folder, 'suite', 'hop')], {
    capture: true,
  });
  return folder;
}

/** @returns the exit status of the suite in that guest, or boot.sh's own. */
function boot({ cpus, kernel, boot: settings, offline, suite }, folder) {
  // Before the suite starts: what it learns of the machine must hold to its end.
  const takeOffline = offline.map((cpu) => `echo 0 >/sys/devices/system/cpu/cpu${cpu}/online; `).join('');
  const command = `${takeOffline}GUEST='${JSON.stringify(suite)}' node --test-reporter=spec suite/suite.mjs`;
  const env = { ...process.env, KERNEL: kernel, TIMEOUT: '900', ...settings };
  return new Promise((resolve, reject) => {
    const child = spawn(join(here, 'boot.sh'), [String(cpus), folder, command], { env, stdio: ['ignore', 1, 2] });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function whyImpossible() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'guests are booted on x86-64 Linux only';
  return process.getuid() === 0 ? undefined : 'only root can install QEMU';
}

async function main() {
  const { chosen, orSkip } = chosenGuests();
  const reason = whyImpossible();
  if (reason) {
    console.log(`skipped: ${reason}`);
    return orSkip ? 0 : 1;
  }
  const folder = await prepareFolder();
  const results = [];
  try {
    for (const one of chosen) {
      console.log(`\n== ${one.name}`);
      const began = performance.now();
      const status = await boot(one, folder);
      const seconds = Math.round((performance.now() - began) / 1000);
      const outcome = status === 0 ? 'passed' : status === IMPOSSIBLE ? 'could not be booted' : 'FAILED';
      results.push({ line: `${one.name}: ${outcome}, ${seconds} s`, status });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`\n${results.map(({ line }) => line).join('\n')}`);
  const failed = results.filter(({ status }) => status !== 0);
  if (orSkip && failed.length > 0 && failed.every(({ status }) => status === IMPOSSIBLE)) {
    console.log('skipped: this machine cannot boot a guest; the reason is above');
    return 0;
  }
  return failed.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${error.output ?? ''}${error.message}`);
  process.exitCode = 2;
}
