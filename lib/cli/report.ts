import { readFileSync } from 'node:fs';
import os from 'node:os';
import { CounterArena } from '../counter/arena.js';
import { threadCpu } from '../cpu/thread-cpu.js';
import { type Topology, topology } from '../cpu/topology.js';
import { PercpuError } from '../errors.js';
import { native } from '../native.js';
import { pageBytes } from '../page-bytes.js';
import { type RssDrift, rssDrift } from '../proc/rss-drift.js';
import { type RunReport, runCounter } from './counter-run.js';

/**
 * What `percpu doctor` finds, and what it prints with `--json`. Field names are stable; fields may be added.
 * Sizes are bytes, times nanoseconds, all of them numbers.
 */
export interface DoctorReport {
  /** This package's version. */
  version: string;
  engine: {
    /** What does a counter's arithmetic in JavaScript threads, and why that. */
    name: 'wasm' | 'ts';
    reason: string;
    /** Whether the native addon is there; from where, or why not. */
    addonLoaded: boolean;
    addonReason: string;
    /** How a thread learns its CPU; the reason why not a better way, empty for 'rseq'. */
    cpuSource: 'rseq' | 'getcpu' | 'thread';
    cpuSourceReason: string;
  };
  machine: {
    platform: string;
    arch: string;
    /** As `uname -r`. */
    kernel: string;
    node: string;
    cpuModel: string;
    pageBytes: number;
    /** CPU numbers, ascending. `allowed`: where this process may run. */
    possible: number[];
    online: number[];
    allowed: number[];
    /** NUMA nodes, physical packages, last-level caches of the online CPUs; null where the kernel does not tell. */
    nodes: number;
    packages: number | null;
    lastLevelCaches: number | null;
  };
  /** What the kernel's own RSS counters can hide: its formula for Linux 6.2 and later, not a measurement. Null off Linux. */
  kernelCounters: {
    /** max(32, 2 x online CPUs): what a CPU keeps to itself, per counter. */
    batchPages: number;
    /** Batch x online CPUs x page size: a fast read of one counter is off by less than this. */
    bytesPerCounter: number;
    /** File, anonymous and shared memory: three counters. */
    bytesPerRss: number;
  } | null;
  /** Null without `--run`. */
  run: RunReport | null;
  processes: {
    /** Why there are none; empty where /proc could be read. */
    unavailable: string;
    /** Processes whose two figures were compared. */
    examined: number;
    /** Sum of `|errorBytes|`. */
    totalErrorBytes: number;
    /** Those whose figures differ, largest absolute error first. */
    differing: RssDrift[];
  };
}

export interface GatherOptions {
  /** Also run threads on every allowed CPU, for about a second. */
  run: boolean;
  /** Told what comes next, in a few words. */
  onStep?: (text: string) => void;
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return version;
}

/** @throws PercpuError as `runCounter`. */
export async function gatherReport({ run, onStep = () => {} }: GatherOptions): Promise<DoctorReport> {
  const cpus = topology();
  const machine = describeMachine(cpus);
  if (run) onStep(`Adding on ${machine.allowed.length} CPUs`);
  const runReport = run ? await runCounter(cpus.allowed) : null;
  onStep('Reading processes');
  return {
    version: packageVersion(),
    engine: describeEngine(),
    machine,
    kernelCounters: process.platform === 'linux' ? kernelCounters(machine.online.length, machine.pageBytes) : null,
    run: runReport,
    processes: compareProcesses(),
  };
}

function describeEngine(): DoctorReport['engine'] {
  const { engine: name, cpuSource } = CounterArena.default;
  return {
    name,
    reason: name === 'wasm' ? 'the fastest add from JavaScript' : 'this runtime has no WebAssembly',
    addonLoaded: native.addon !== undefined,
    addonReason: native.reason,
    cpuSource,
    cpuSourceReason: threadCpu.reason,
  };
}

function describeMachine({ possible, online, allowed, nodes, cpus }: Topology): DoctorReport['machine'] {
  const distinct = (ids: number[]) => (ids.length === 0 || ids.includes(-1) ? null : new Set(ids).size);
  return {
    platform: process.platform,
    arch: process.arch,
    kernel: os.release(),
    node: process.version,
    cpuModel: os.cpus()[0]?.model.trim() || 'unknown',
    pageBytes: pageBytes(),
    possible,
    online,
    allowed,
    nodes: nodes.length,
    packages: distinct(cpus.map((cpu) => cpu.package)),
    lastLevelCaches: distinct(cpus.map((cpu) => cpu.llc)),
  };
}

/** Sources: compute_batch_value() of the kernel's lib/percpu_counter.c; struct mm_struct's rss_stat. */
export function kernelCounters(onlineCpus: number, bytesPerPage: number) {
  const batchPages = Math.max(32, 2 * onlineCpus);
  const bytesPerCounter = batchPages * onlineCpus * bytesPerPage;
  return { batchPages, bytesPerCounter, bytesPerRss: 3 * bytesPerCounter };
}

function compareProcesses(): DoctorReport['processes'] {
  let drifts: RssDrift[];
  try {
    drifts = rssDrift();
  } catch (error) {
    if (!(error instanceof PercpuError && error.code === 'ERR_UNSUPPORTED_PLATFORM')) throw error;
    return { unavailable: error.message, examined: 0, totalErrorBytes: 0, differing: [] };
  }
  const differing = drifts
    .filter(({ errorBytes }) => errorBytes !== 0)
    .sort((a, b) => Math.abs(b.errorBytes) - Math.abs(a.errorBytes));
  const totalErrorBytes = differing.reduce((sum, { errorBytes }) => sum + Math.abs(errorBytes), 0);
  return { unavailable: '', examined: drifts.length, totalErrorBytes, differing };
}
