import { spawnSync } from 'node:child_process';
import { getAffinity } from '../../cpu/affinity.js';
import { currentCpu } from '../../cpu/current-cpu.js';
import { topology } from '../../cpu/topology.js';
import { native } from '../../native/native.js';
import { pageBytes } from '../../native/page-bytes.js';
import { noProcError } from '../files/errors.js';
import { parseRollup, parseStat, parseStatm } from '../files/proc-text.js';
import { type Accounting, type AccountingModel, type CpuCounts, errorRange, flatBatch } from './model.js';
import { interpretDrift, interpretFigures, type ThreeFigures, toDriftObservations } from './observations.js';

/** How this machine's kernel counts RSS, and how wrong the fast read of it can be. */
export interface RssAccounting {
  /**
   * `flat-percpu`: Linux 6.2 and later; `per-thread`: before it; `hierarchical`: the counters proposed to replace both;
   * `unknown`: none of them showed, and `note` says why.
   */
  model: AccountingModel;
  /** Whether /proc/PID/statm and status are precise; otherwise only smaps_rollup is. /proc/PID/stat never is. */
  statmPrecise: boolean;
  /** Pages a CPU (`per-thread`: a thread) keeps to itself per counter; 1 where nothing is held back. */
  batch: number;
  /** How far an approximate RSS can be off, in bytes, file, anon and shmem together; `per-thread`: for each thread. */
  worstCaseBytes: number;
  /** What could not be found out, in a sentence; empty for nothing. */
  note: string;
}

/** CPUs of this machine. */
export function machineCpus(): CpuCounts {
  const { online, possible } = topology();
  return { online: online.length, possible: possible.length };
}

/** Where the probe's child may run: a sandbox that refuses the question may well allow the child to move. */
function allowedCpus(): number[] {
  try {
    return getAffinity();
  } catch {
    return topology().allowed;
  }
}

function probeNatively(cpus: CpuCounts): Accounting | undefined {
  const { addon } = native;
  if (!addon) return undefined;
  const allowed = allowedCpus();
  const here = currentCpu();
  const readCpu = allowed.includes(here) ? here : allowed[0]!;
  const touchCpu = allowed.find((cpu) => cpu !== readCpu) ?? readCpu;
  const seen = addon.probeAccounting(touchCpu, readCpu, flatBatch(cpus.online));
  if (typeof seen === 'number') return undefined;
  return interpretDrift(toDriftObservations(seen), cpus);
}

/**
 * A shell, which is small and has one thread, prints what the kernel says of it, stat and statm before and after
 * smaps_rollup. What it holds back comes from its own start on whichever CPUs that was.
 */
const SHELL_PROBE = `
for round in 1 2 3 4 5 6; do
  read -r a < /proc/$$/stat; read -r b < /proc/$$/statm
  rollup=
  while read -r key value unit; do if [ "$key" = Rss: ]; then rollup=$value; fi; done < /proc/$$/smaps_rollup
  read -r c < /proc/$$/stat; read -r d < /proc/$$/statm
  echo "$a"; echo "$b"; echo "Rss: $rollup kB"; echo "$c"; echo "$d"
done`;

const LINES_PER_ROUND = 5;
const PROBE_TIMEOUT_MS = 5_000;

/** @returns figures of the rounds in which nothing changed. */
export function parseShellProbe(output: string, bytesPerPage: number): ThreeFigures[] {
  const lines = output.split('\n');
  const figures: ThreeFigures[] = [];
  for (let at = 0; at + LINES_PER_ROUND <= lines.length; at += LINES_PER_ROUND) {
    const stat = [parseStat(lines[at]!), parseStat(lines[at + 3]!)];
    const statm = [parseStatm(lines[at + 1]!), parseStatm(lines[at + 4]!)];
    const rollupKiB = parseRollup(`${lines[at + 2]}\n`);
    if (!stat[0] || !stat[1] || !statm[0] || !statm[1] || rollupKiB === undefined) continue;
    if (stat[0].rssPages !== stat[1].rssPages || statm[0].residentPages !== statm[1].residentPages) continue;
    figures.push({
      stat: stat[0].rssPages,
      statm: statm[0].residentPages,
      rollup: (rollupKiB * 1024) / bytesPerPage,
    });
  }
  return figures;
}

/** @returns nothing where there is no shell, or a runtime does not permit child processes. */
function shellProbeOutput(): string {
  try {
    const { stdout } = spawnSync('/bin/sh', ['-c', SHELL_PROBE], {
      encoding: 'utf8',
      timeout: PROBE_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return stdout ?? '';
  } catch {
    return '';
  }
}

/** Shells that are asked before it is given up: one that happens to hold nothing back shows nothing. */
const SHELLS = 3;

function probeWithShell(cpus: CpuCounts): Accounting | undefined {
  for (let shell = 0; shell < SHELLS; shell++) {
    // The first rounds still load what the loop needs.
    const figures = parseShellProbe(shellProbeOutput(), pageBytes()).slice(-3);
    if (figures.length === 0) return undefined;
    const found = interpretFigures(figures, cpus.online);
    if (found) return found;
  }
  return undefined;
}

let known: Accounting | undefined;

/** @returns what a probe of this machine showed; made once per thread that asks. */
export function machineAccounting(): Accounting {
  if (known) return known;
  const cpus = machineCpus();
  known = probeNatively(cpus) ??
    probeWithShell(cpus) ?? {
      model: 'unknown',
      statmPrecise: false,
      batch: flatBatch(cpus.online),
      note: 'no child could be made to drift: smaps_rollup is read where a precise figure is wanted',
    };
  return known;
}

/**
 * How this machine's kernel counts RSS. Kernel versions do not tell, since fixes are ported back; so a short-lived child
 * touches fewer pages than a CPU keeps to itself on another CPU, and its files are compared. Made once, then remembered;
 * the first call takes some milliseconds.
 *
 * Without the addon nothing can be made to drift on purpose: a small shell's own figures are compared instead, and `note`
 * says what that leaves open. A process that may run on one CPU only probes that one, and says so.
 *
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` away from Linux.
 */
export function rssAccounting(): RssAccounting {
  if (process.platform !== 'linux') throw noProcError();
  return toRssAccounting(machineAccounting(), machineCpus());
}

/** @returns what is public of an accounting, with the error that it allows on so many CPUs. */
export function toRssAccounting(accounting: Accounting, cpus: CpuCounts): RssAccounting {
  const { under, over } = errorRange(accounting, cpus, 1);
  return {
    model: accounting.model,
    statmPrecise: accounting.statmPrecise,
    batch: accounting.batch,
    worstCaseBytes: Math.max(under, over) * pageBytes(),
    note: accounting.note,
  };
}
