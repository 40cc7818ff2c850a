// Readers of directories: sysfs, a control group, a process, with damaged files in them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { topology } from '../../../dist/cpu/topology.js';
import { findMonitors } from '../../../dist/doctor/monitors.js';
import { cgroupTotalPages, groupProcesses, readCgroup } from '../../../dist/limits/cgroup.js';
import { native } from '../../../dist/native/native.js';
import { nativeReader } from '../../../dist/proc/files/reader-native.js';
import { tsReader } from '../../../dist/proc/files/reader-ts.js';
import { machineMemory } from '../../../dist/proc/machine-memory.js';
import { mutateText, pick } from '../inputs.mjs';
import { attempt, Finding, note, require, requireAscendingIntegers, requireCounts } from '../verdict.mjs';

const base = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() ? '/dev/shm' : tmpdir();
const root = mkdtempSync(join(base, 'percpu-fuzz-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

/** `a/cpu[0-1,4]/b` -> `a/cpu0/b`, `a/cpu1/b`, `a/cpu4/b`. */
function expandPath(path) {
  const [, before, list, after] = /^(.*)\[(.*)\](.*)$/.exec(path) ?? [];
  if (list === undefined) return [path];
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => `${before}${first + i}${after}`);
  });
}

/** The files of a captured machine; scripts/capture-topology.mjs describes the format. */
function capturedMachine(name) {
  const text = readFileSync(new URL(`../../fixtures/sys/${name}.txt`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const [path, content] = line.split('\t');
      return expandPath(path).map((file) => [file, JSON.parse(content)]);
    });
}

/** What stands in a file's place, by the content that means it. */
const THINGS = {
  '/': (path) => mkdirSync(path, { recursive: true }),
  '/link': (path) => symlinkSync('/dev/zero', path),
  '/fifo': (path) => execFileSync('mkfifo', [path]),
};

/** A tree that exists once; an input changes some of its files, which are as they were afterwards. */
class Tree {
  constructor(name, files) {
    this.path = join(root, name);
    this.files = Object.fromEntries(files);
    this.names = Object.keys(this.files);
    for (const file of this.names) this.write(file, this.files[file]);
  }

  write(file, content) {
    const path = join(this.path, file);
    rmSync(path, { recursive: true, force: true });
    if (content === null) return;
    mkdirSync(dirname(path), { recursive: true });
    const make = THINGS[content];
    if (make) make(path);
    else writeFileSync(path, content, 'latin1');
  }

  with(changes, run) {
    try {
      for (const [file, content] of changes) this.write(file, content);
      return run(this.path);
    } finally {
      for (const [file] of changes) this.write(file, this.files[file]);
    }
  }
}

/** @param things what may come in a file's place besides nothing. */
function changesTo(random, tree, things = ['/', '/link']) {
  const texts = Object.values(tree.files);
  return Array.from({ length: 1 + random(3) }, () => {
    const file = pick(random, tree.names);
    const how = random(16);
    if (how === 0) return [file, null];
    // A FIFO takes a program to make, which takes a while.
    if (how === 1) return [file, things.length > 1 && random(20) === 0 ? '/fifo' : pick(random, things)];
    return [file, mutateText(random, [tree.files[file], pick(random, texts)])];
  });
}

/** What refuses a file names it: an error of the system's kind with its path. */
const requirePath = (error, path) => require(String(error.path).startsWith(path), `the error names ${error.path}`);

function refusal(run) {
  try {
    return { answer: run() };
  } catch (error) {
    return { error };
  }
}

let machines;
const topologies = {
  name: 'topology',
  share: 8,
  corpus: 'json',
  generate(random) {
    machines ??= ['single-1', 'smt-8', 'numa-8', 'offline-8', 'cloud-2'].map(
      (name) => new Tree(name, capturedMachine(name)),
    );
    const machine = random(machines.length);
    // Machines with more CPUs than there are take longer, and are no different.
    const changes = changesTo(random, machines[machine]).map(([file, content]) => [
      file,
      content?.replace(/\d{4,}/g, (digits) => (random(20) === 0 ? digits.slice(0, 4) : digits.slice(0, 3))) ?? null,
    ]);
    return { machine, changes };
  },
  check({ machine, changes }, outcomes) {
    machines ??= ['single-1', 'smt-8', 'numa-8', 'offline-8', 'cloud-2'].map(
      (name) => new Tree(name, capturedMachine(name)),
    );
    machines[machine].with(changes, (path) => {
      const { answer: found, error } = refusal(() => topology({ root: path }));
      attempt(outcomes, 'topology', () => {
        if (error) throw error;
      });
      if (error) return requirePath(error, path);
      for (const list of ['possible', 'online', 'allowed']) requireAscendingIntegers(found[list], 0, 2 ** 20 - 1, list);
      const online = new Set(found.online);
      require(found.allowed.every((cpu) => online.has(cpu)), 'an allowed CPU is not online');
      require(found.cpus.length === found.online.length && found.cpus.every(({ id }) => online.has(id)), 'cpus');
      for (const { cpus } of found.nodes)
        require(cpus.every((cpu) => online.has(cpu)), 'a CPU of a node is not online');
      for (const { core, package: socket, node, llc } of found.cpus) {
        for (const id of [core, socket, node, llc]) require(Number.isInteger(id) && id >= -1, `an id is ${id}`);
      }
    });
  },
};

const GROUPS = {
  version1: [
    ['memory.limit_in_bytes', '1073741824\n'],
    ['memory.memsw.limit_in_bytes', '2147483648\n'],
    ['memory.swappiness', '60\n'],
    ['cgroup.procs', '1\n22\n333\n'],
    ['inner/cgroup.procs', '4444\n22\n'],
  ],
  version2: [
    ['memory.max', '1073741824\n'],
    ['memory.swap.max', 'max\n'],
    ['cgroup.procs', '1\n0\n333\n'],
    ['inner/cgroup.procs', '4444\n'],
    ['inner/deep/cgroup.procs', '55555\n'],
  ],
  root: [
    ['cgroup.controllers', 'cpu memory pids\n'],
    ['cgroup.procs', '1\n'],
  ],
};

let groups;
const makeGroups = () => {
  groups ??= Object.entries(GROUPS).map(([name, files]) => new Tree(`group-${name}`, files));
  return groups;
};
const cgroups = {
  name: 'cgroup',
  share: 20,
  corpus: 'json',
  generate(random) {
    const group = random(makeGroups().length);
    // The files of a control group are read as they are: it is one of the kernel's, or the caller's own.
    return { group, changes: changesTo(random, groups[group], ['/']) };
  },
  check({ group, changes }, outcomes) {
    makeGroups()[group].with(changes, (path) => {
      const found = attempt(outcomes, 'readCgroup', () => readCgroup(path));
      if (found) {
        for (const field of ['limitBytes', 'swapLimitBytes', 'swappiness']) {
          require(found[field] === null ||
            (Number.isFinite(found[field]) && found[field] >= 0), `${field} ${found[field]}`);
        }
        const machine = { ramBytes: 2 ** 34, swapBytes: 2 ** 30, swapFreeBytes: 0, swappiness: 60 };
        const pages = cgroupTotalPages(found, machine, 4096);
        require(Number.isFinite(pages) && pages >= 1, `a group of ${pages} pages`);
      }
      const members = attempt(outcomes, 'groupProcesses', () => groupProcesses(path));
      if (members) requireAscendingIntegers(members.pids, 1, 9_999_999_999, 'pids of a group');
    });
  },
};

let memory;
const makeMemory = () => {
  memory ??= new Tree('memory', [
    ['meminfo', 'MemTotal:       16384 kB\nMemFree: 1 kB\nSwapCached: 0 kB\nSwapTotal:  1024 kB\nSwapFree: 7 kB\n'],
    ['sys/vm/swappiness', '60\n'],
  ]);
  return memory;
};
const meminfo = {
  name: 'meminfo',
  share: 20,
  corpus: 'json',
  generate: (random) => ({ changes: changesTo(random, makeMemory()) }),
  check({ changes }, outcomes) {
    makeMemory().with(changes, (path) => {
      const found = attempt(outcomes, 'machineMemory', () => machineMemory(path));
      if (!found) return;
      for (const field of ['ramBytes', 'swapBytes', 'swapFreeBytes', 'swappiness']) {
        require(Number.isFinite(found[field]) && found[field] >= 0, `${field} ${found[field]}`);
      }
    });
  },
};

const FIELDS = Array.from({ length: 49 }, (_, i) => 1000 + i).join(' ');
const MEMORY = [
  ['statm', '1012 456 152 5 0 456 0\n'],
  [
    'status',
    'Name:\ttask\nVmPTE:\t      68 kB\nRssAnon:\t    1480 kB\nRssFile:\t    2928 kB\nRssShmem:\t       0 kB\nVmSwap:\t       0 kB\n',
  ],
  ['smaps_rollup', '55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:                4608 kB\nPss:     10 kB\n'],
];
const inFolder = (folder, files) => files.map(([file, content]) => [`${folder}/${file}`, content]);
/** Its first thread has ended: the others' files count. */
const FIRST_ENDED = ['7/stat', `7 (a (strange) name) Z ${FIELDS}\n`];

let task;
const makeTask = () => {
  task ??= new Tree('proc', [
    ['7/stat', `7 (a (strange) name) S ${FIELDS}\n`],
    ...inFolder('7', MEMORY),
    ['7/task/8/stat', `8 (another) S ${FIELDS}\n`],
    ...inFolder('7/task/8', MEMORY),
    ['7/oom_score_adj', '-17\n'],
    ['7/oom_score', '666\n'],
  ]);
  return task;
};
const EVERYTHING = 15;
const readers = {
  name: 'readers',
  share: 30,
  corpus: 'json',
  generate: (random) => ({
    changes: [...(random(4) === 0 ? [FIRST_ENDED] : []), ...changesTo(random, makeTask())],
  }),
  check({ changes }, outcomes) {
    makeTask().with(changes, (path) => {
      const read = (reader) => attempt(outcomes, 'readOne', () => reader.readOne(path, 7, EVERYTHING));
      const found = read(tsReader);
      if (found)
        requireCounts(
          found,
          ['statRssPages', 'residentPages', 'sharedPages', 'userTicks', 'swapKiB', 'startTicks'],
          'process',
        );
      if (!native.addon) return;
      const both = read(nativeReader(native.addon));
      // No kernel has names of more than 64 bytes; the addon cuts them.
      if (found?.name.length > 60 && both) both.name = found.name;
      // Either may be the stricter one about what no kernel writes; what both read is the same.
      if (found && both && (found.rollupKiB === null) !== (both.rollupKiB === null)) both.rollupKiB = found.rollupKiB;
      if (Boolean(found) !== Boolean(both) || found?.state !== both?.state) note(outcomes, 'one refused');
      else if (JSON.stringify(both) !== JSON.stringify(found)) {
        throw new Finding(`TypeScript reads ${JSON.stringify(found)}, the addon ${JSON.stringify(both)}`);
      }
    });
  },
};

let project;
const makeProject = () => {
  project ??= new Tree('project', [
    ['node_modules/pidusage/package.json', '{"name":"pidusage","version":"4.0.1","main":"index.js"}'],
    ['node_modules/@opentelemetry/host-metrics/package.json', '{"version":"0.36.0-rc.1+build"}'],
    ['node_modules/ps-list/package.json', '{"version":"9.0.0"}'],
  ]);
  return project;
};
const monitors = {
  name: 'monitors',
  share: 20,
  corpus: 'json',
  generate: (random) => ({ changes: changesTo(random, makeProject()) }),
  check({ changes }, outcomes) {
    makeProject().with(changes, (path) => {
      const found = findMonitors(path, true);
      note(outcomes, `${found.length - 1} found`);
      for (const { name, version } of found.slice(1)) {
        require(version === '?' || /^\d[\w.+-]{0,63}$/.test(version), `${name} has version ${JSON.stringify(version)}`);
      }
    });
  },
};

export const trees = [topologies, cgroups, meminfo, readers, monitors];
