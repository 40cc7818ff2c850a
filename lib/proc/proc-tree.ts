import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
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

/** The proc tree of this machine. */
export const DEFAULT_ROOT = '/proc';

/** A directory like /proc, and what its figures mean. */
export interface ProcTree {
  root: string;
  /** Whether its processes are this machine's. */
  isThisMachine: boolean;
  reader: ProcReader;
  /** Bytes of a page: what stat and statm count in. */
  pageBytes: number;
  cpus: CpuCounts;
  accounting: Accounting;
}

/** The addon where it is there, else TypeScript. */
export const procReader: ProcReader = native.addon ? nativeReader(native.addon) : tsReader;

/** Processes of another tree that are asked how their figures agree. */
const SAMPLED_PROCESSES = 16;

/** Online CPUs by the `cpuN` lines of the tree's own stat file; proc_stat(5). */
function onlineCpusOf(root: string): number | undefined {
  return readTreeFile(`${root}/stat`)?.match(/^cpu\d+ /gm)?.length;
}

/** Yields after every process: trees have many that tell nothing, such as kernel threads. */
function* sampleRows(reader: ProcReader, root: string, pids: readonly number[]): Generator<void, ProcessFiles[]> {
  const rows: ProcessFiles[] = [];
  for (const pid of pids) {
    if (rows.length === SAMPLED_PROCESSES) break;
    try {
      const row = reader.readOne(root, pid, Want.ROLLUP);
      if (row.rollupKiB) rows.push(row);
    } catch {
      // Gone, or of no use here.
    }
    yield;
  }
  return rows;
}

/**
 * What a tree's figures mean: of another machine, or captured, they speak for themselves where enough of them can be
 * read; else they are taken for this machine's.
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

/** Two names of one directory have the same device and inode: /host/proc may well be this machine's. */
function isDefaultRoot(root: string): boolean {
  if (root === DEFAULT_ROOT) return true;
  try {
    const [a, b] = [statSync(root), statSync(DEFAULT_ROOT)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

/** CPUs may come online: how long their number is believed. */
const CPUS_BELIEVED_MS = 10_000;

let machineTree: ProcTree | undefined;
let countedAt = 0;

/** This machine's tree, which `readRss()` wants some 100,000 times a second. */
function openMachineTree(): ProcTree {
  const now = performance.now();
  if (machineTree && now - countedAt < CPUS_BELIEVED_MS) return machineTree;
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
 * @param root undefined for this machine's own.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; PercpuError `ERR_UNSUPPORTED_PLATFORM` without `root` away from Linux, the
 *   system's own for a root that cannot be listed, `EBADMSG` where its `stat` is no regular file.
 */
export function openTree(root: string | undefined): ProcTree {
  const steps = openInSteps(root);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** How long opening a tree holds the event loop before it lets others have a turn. */
const SLICE_MS = 4;

/**
 * The same, for those who can wait: other trees have to be asked what their figures mean, which may take a while.
 *
 * @throws (rejects) as {@link openTree}; PercpuError `ABORT_ERR`.
 */
export async function openTreeSoon(root: string | undefined, signal: AbortSignal | undefined): Promise<ProcTree> {
  if (signal?.aborted) throw abortError(signal);
  const steps = openInSteps(root);
  let sliceEnd = performance.now() + SLICE_MS;
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() < sliceEnd) continue;
    await nextTurn();
    if (signal?.aborted) throw abortError(signal);
    sliceEnd = performance.now() + SLICE_MS;
  }
}
