import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { abortError, invalidArgType } from '../errors.js';
import { native } from '../native/native.js';
import { pageBytes } from '../native/page-bytes.js';
import { readTreeFile } from '../regular-file.js';
import { machineAccounting, machineCpus } from './accounting/accounting.js';
import { type Accounting, type CpuCounts, flatBatch } from './accounting/model.js';
import { interpretFigures } from './accounting/observations.js';
import { noProcError } from './files/errors.js';
import { listPids } from './files/pid-list.js';
import { type ProcessFiles, Want } from './files/process-row.js';
import type { ProcReader } from './files/reader.js';
import { nativeReader } from './files/reader-native.js';
import { tsReader } from './files/reader-ts.js';
import { TimeSlice } from './time-slice.js';

export const DEFAULT_ROOT = '/proc';

/** A directory like /proc, and how to interpret its figures. */
export interface ProcTree {
  root: string;
  /** Whether its processes are this machine's. */
  isThisMachine: boolean;
  reader: ProcReader;
  /** Bytes of a page, the unit of stat and statm. */
  pageBytes: number;
  cpus: CpuCounts;
  accounting: Accounting;
}

export const procReader: ProcReader = native.addon ? nativeReader(native.addon) : tsReader;

const SAMPLED_PROCESSES = 16;

/** Online CPUs by the `cpuN` lines of the tree's stat file; proc_stat(5). */
function onlineCpusOf(root: string): number | undefined {
  return readTreeFile(`${root}/stat`)?.match(/^cpu\d+ /gm)?.length;
}

/** Yields after every process: many processes have no figures, such as kernel threads. */
function* sampleRows(reader: ProcReader, root: string, pids: readonly number[]): Generator<void, ProcessFiles[]> {
  const rows: ProcessFiles[] = [];
  for (const pid of pids) {
    if (rows.length === SAMPLED_PROCESSES) break;
    try {
      const row = reader.readOne(root, pid, Want.ROLLUP);
      if (row.rollupKiB) rows.push(row);
    } catch {
      // The process has ended, or its files cannot be read.
    }
    yield;
  }
  return rows;
}

/**
 * The accounting of another machine's or a captured tree, inferred from its figures; this machine's if too few of them can
 * be read.
 */
function* foreignAccounting(root: string, pids: readonly number[], cpus: CpuCounts, bytes: number) {
  const rows = yield* sampleRows(procReader, root, pids);
  const figures = rows.map(({ statRssPages, residentPages, rollupKiB }) => ({
    stat: statRssPages,
    statm: residentPages,
    rollup: (rollupKiB! * 1024) / bytes,
  }));
  const seen = figures.length > 0 ? interpretFigures(figures, cpus.online) : undefined;
  if (seen) return seen;
  const machine = machineAccounting();
  return machine.model === 'flat-percpu' ? { ...machine, batch: flatBatch(cpus.online) } : machine;
}

/** Compares device and inode: /host/proc may be this machine's. */
function isDefaultRoot(root: string): boolean {
  if (root === DEFAULT_ROOT) return true;
  try {
    const [a, b] = [statSync(root), statSync(DEFAULT_ROOT)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

/** How long the number of CPUs is cached: CPUs may come online. */
const CPUS_CACHED_MS = 10_000;

let machineTree: ProcTree | undefined;
let countedAt = 0;

/** This machine's tree. `readRss()` opens it up to 100,000 times a second. */
function openMachineTree(): ProcTree {
  const now = performance.now();
  if (machineTree && now - countedAt < CPUS_CACHED_MS) return machineTree;
  countedAt = now;
  machineTree = {
    root: DEFAULT_ROOT,
    isThisMachine: true,
    reader: procReader,
    pageBytes: pageBytes(),
    cpus: machineCpus(),
    accounting: machineAccounting(),
  };
  return machineTree;
}

function* openForeignTree(root: string): Generator<void, ProcTree> {
  const pids = listPids(root);
  const machine = machineCpus();
  const online = onlineCpusOf(root) ?? machine.online;
  const cpus = { online, possible: Math.max(online, machine.possible) };
  const bytes = pageBytes();
  const accounting = yield* foreignAccounting(root, pids, cpus, bytes);
  return { root, isThisMachine: false, reader: procReader, pageBytes: bytes, cpus, accounting };
}

function* openInSteps(root: string | undefined): Generator<void, ProcTree> {
  if (root === undefined) {
    if (process.platform !== 'linux') throw noProcError();
    return openMachineTree();
  }
  if (typeof root !== 'string') throw invalidArgType('options.root', 'a string', root);
  const path = resolve(root);
  return isDefaultRoot(path) ? { ...openMachineTree(), root: path } : yield* openForeignTree(path);
}

/**
 * @param root undefined for this machine's.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; PercpuError `ERR_UNSUPPORTED_PLATFORM` without `root` on other systems than Linux,
 *   the system's code for a root that cannot be listed, `EBADMSG` if its `stat` is not a regular file.
 */
export function openTree(root: string | undefined): ProcTree {
  const steps = openInSteps(root);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * The same without blocking: inferring the accounting of another tree can take long.
 *
 * @throws (rejects) as {@link openTree}; PercpuError `ABORT_ERR`.
 */
export async function openTreeSoon(root: string | undefined, signal: AbortSignal | undefined): Promise<ProcTree> {
  if (signal?.aborted) throw abortError(signal);
  const steps = openInSteps(root);
  const slice = new TimeSlice();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (slice.isOver()) await slice.next(signal);
  }
}
