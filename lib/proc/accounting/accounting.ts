import { spawnSync } from 'node:child_process';
import { getAffinity } from '../../cpu/affinity.js';
import { currentCpu } from '../../cpu/current-cpu.js';
import { topology } from '../../cpu/topology.js';
import { namedFigures } from '../../native/named-figures.js';
import { native } from '../../native/native.js';
import { pageBytes } from '../../native/page-bytes.js';
import { noProcError } from '../files/errors.js';
import { parseRollup, parseStat, parseStatm } from '../files/proc-text.js';
import { type Accounting, type AccountingModel, type CpuCounts, errorRange, flatBatch } from './model.js';
import { DRIFT_FIELDS, interpretDrift, interpretFigures, type ThreeFigures } from './observations.js';

/** How this machine's kernel counts RSS, and how wrong a fast read can be. */
export interface RssAccounting {
  /**
   * `flat-percpu`: Linux 6.2 and later; `per-thread`: before 6.2; `hierarchical`: the proposed successor of both; `unknown`:
   * the probe shows none of them, and `note` says why.
   */
  model: AccountingModel;
  /** Whether /proc/PID/statm and status are precise; otherwise only smaps_rollup is. /proc/PID/stat never is. */
  statmPrecise: boolean;
  /** Pages that a CPU (`per-thread`: a thread) holds back per counter; 1 if every page shows at once. */
  batch: number;
  /** Largest error of an approximate RSS in bytes, file, anon and shmem together; `per-thread`: per thread. */
  worstCaseBytes: number;
  /** What is unknown, in a sentence; empty for nothing. */
  note: string;
}

export function machineCpus(): CpuCounts {
  const { online, possible } = topology();
  return { online: online.length, possible: possible.length };
}

/** Where the probe's child may run. A sandbox that refuses getAffinity() may still let the child move. */
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
  return interpretDrift(namedFigures(DRIFT_FIELDS, seen), cpus);
}

/**
 * A shell, which is small and has one thread, prints its own stat and statm before and after smaps_rollup. Held-back pages come
 * from its start, on whichever CPUs that was.
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

/** @returns the figures of the rounds without a change. */
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

/** @returns '' without a shell, or if the runtime does not permit child processes. */
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

/** Most shells that are started: one that happens to hold back no page shows nothing. */
const SHELLS = 3;

function probeWithShell(cpus: CpuCounts): Accounting | undefined {
  for (let shell = 0; shell < SHELLS; shell++) {
    // In the first rounds the shell still loads what the loop needs.
    const figures = parseShellProbe(shellProbeOutput(), pageBytes()).slice(-3);
    if (figures.length === 0) return undefined;
    const found = interpretFigures(figures, cpus.online);
    if (found) return found;
  }
  return undefined;
}

let known: Accounting | undefined;

/** The probe runs once per thread that asks. */
export function machineAccounting(): Accounting {
  if (known) return known;
  const cpus = machineCpus();
  known = probeNatively(cpus) ??
    probeWithShell(cpus) ?? {
      model: 'unknown',
      statmPrecise: false,
      batch: flatBatch(cpus.online),
      note: 'the probe showed no drift: precise figures are read from smaps_rollup',
    };
  return known;
}

/**
 * How this machine's kernel counts RSS. The kernel version does not tell, because fixes are backported. So a short-lived child
 * touches fewer pages than a CPU holds back, on another CPU, and its files are compared. The probe runs once and takes some
 * milliseconds.
 *
 * Without the addon, the probe compares the figures of a small shell, and `note` says what stays unknown. A process that may run
 * on only one CPU probes that one, and `note` says so.
 *
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` on other systems than Linux.
 */
export function rssAccounting(): RssAccounting {
  if (process.platform !== 'linux') throw noProcError();
  return toRssAccounting(machineAccounting(), machineCpus());
}

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
