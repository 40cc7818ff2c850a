import os from 'node:os';
import { CounterArena } from '../counter/arena.js';
import { threadCpu } from '../cpu/thread-cpu.js';
import { type Topology, topology } from '../cpu/topology.js';
import { failureOf, PercpuError } from '../errors.js';
import { native } from '../native/native.js';
import { pageBytes } from '../native/page-bytes.js';
import { machineCpus, type RssAccounting, rssAccounting } from '../proc/accounting/accounting.js';
import { RSS_COUNTERS, worstCases } from '../proc/accounting/model.js';
import type { RssReading } from '../proc/reading.js';
import { scanRss } from '../proc/rss-scanner.js';
import { visibility } from '../proc/visibility.js';
import { VERSION } from '../version.js';
import { type RunReport, runCounter } from './counter-run.js';
import { findMonitors, type Monitor } from './monitors.js';

/**
 * The report of `percpu doctor`, which `--json` prints. Field names are stable; fields may be added. Sizes are bytes, times are
 * nanoseconds.
 */
export interface DoctorReport {
  version: string;
  /** Null if this part failed; so is `machine`. */
  engine: {
    /** The engine of counters in JavaScript threads, and why it is used. */
    name: 'wasm' | 'ts';
    reason: string;
    /** Whether the native addon is loaded; from where, or why not. */
    addonLoaded: boolean;
    addonReason: string;
    /** How a thread learns its CPU; why no better source is used, empty for 'rseq'. */
    cpuSource: 'rseq' | 'getcpu' | 'thread';
    cpuSourceReason: string;
  } | null;
  machine: {
    platform: string;
    arch: string;
    /** As `uname -r`. */
    kernel: string;
    node: string;
    cpuModel: string;
    pageBytes: number;
    /** CPU numbers, ascending. `allowed`: this process's affinity. */
    possible: number[];
    online: number[];
    allowed: number[];
    /** Numbers of NUMA nodes, packages and last-level caches of the online CPUs; null if the kernel does not tell. */
    nodes: number;
    packages: number | null;
    lastLevelCaches: number | null;
  } | null;
  /** How this kernel counts RSS. Null on other systems than Linux. */
  accounting: RssAccounting | null;
  /**
   * The largest error of an approximate RSS on this machine, with the flat counters of Linux 6.2 and later, and with counter
   * trees. Null on other systems than Linux.
   */
  schemes: { flatBytes: number; treeBytes: number } | null;
  /** The monitors of this runtime and the current project. */
  monitors: Monitor[];
  /** Parts that failed, with their errors; their fields are null or empty. */
  failures: { part: string; code: string; message: string }[];
  /** Null without `--run`. */
  run: RunReport | null;
  processes: {
    /** Why there are none; empty if /proc could be read. */
    unavailable: string;
    /** Why processes of the machine may be hidden; empty if none is. */
    hidden: string;
    examined: number;
    /** Sum of `|errorBytes|`. */
    totalErrorBytes: number;
    /** Processes whose figures differ, largest absolute error first. */
    differing: RssDrift[];
  };
}

interface RssDrift {
  pid: number;
  /** The command name; it may contain control characters. */
  name: string;
  /** As `process.memoryUsage.rss()`, pidusage and others report it. */
  approximateBytes: number;
  preciseBytes: number;
  /** `approximateBytes - preciseBytes`. */
  errorBytes: number;
}

interface GatherOptions {
  /** Also run threads on every allowed CPU, for about a second. */
  run: boolean;
  /** Receives a description of each next step. */
  onStep?: (text: string) => void;
}

const NO_PROCESSES = { hidden: '', examined: 0, totalErrorBytes: 0, differing: [] };

/** A part that fails, for lack of address space for example, is reported; the other parts continue. */
export async function gatherReport({ run, onStep = () => {} }: GatherOptions): Promise<DoctorReport> {
  const failures: DoctorReport['failures'] = [];
  async function attempt<T, U>(part: string, gather: () => T | Promise<T>, otherwise: U): Promise<T | U> {
    try {
      return await gather();
    } catch (error) {
      failures.push({ part, ...failureOf(error) });
      return otherwise;
    }
  }
  const cpus = await attempt('CPUs', () => topology(), null);
  const machine = cpus && (await attempt('machine', () => describeMachine(cpus), null));
  if (cpus && run) onStep(`Adding on ${cpus.allowed.length} CPUs`);
  const runReport = cpus && run ? await attempt('run', () => runCounter(cpus.allowed), null) : null;
  onStep('Reading processes');
  const isLinux = process.platform === 'linux';
  const accounting = isLinux ? await attempt('accounting', () => rssAccounting(), null) : null;
  return {
    version: VERSION,
    engine: await attempt('engine', describeEngine, null),
    machine,
    accounting,
    schemes: accounting && (await attempt('schemes', compareSchemes, null)),
    monitors: await attempt('monitors', () => findMonitors(process.cwd(), accounting?.statmPrecise ?? false), []),
    run: runReport,
    processes: await attempt('processes', compareProcesses, { unavailable: 'reading them failed', ...NO_PROCESSES }),
    // Last, because the other parts add to it.
    failures,
  };
}

function compareSchemes(): DoctorReport['schemes'] {
  const { flat, tree } = worstCases(machineCpus());
  const bytes = (pages: number) => RSS_COUNTERS * pages * pageBytes();
  return { flatBytes: bytes(flat), treeBytes: bytes(tree) };
}

function describeEngine(): NonNullable<DoctorReport['engine']> {
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

function describeMachine({ possible, online, allowed, nodes, cpus }: Topology): NonNullable<DoctorReport['machine']> {
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

function toDrift({ pid, name, approximate, precise }: RssReading): RssDrift {
  return { pid, name, approximateBytes: approximate, preciseBytes: precise, errorBytes: approximate - precise };
}

async function compareProcesses(): Promise<DoctorReport['processes']> {
  let readings: RssReading[];
  try {
    readings = await scanRss();
  } catch (error) {
    if (!(error instanceof PercpuError && error.code === 'ERR_UNSUPPORTED_PLATFORM')) throw error;
    return { unavailable: error.message, ...NO_PROCESSES };
  }
  const examined = readings.filter(({ approximate, precise }) => approximate > 0 || precise > 0);
  const differing = examined
    .map(toDrift)
    .filter(({ errorBytes }) => errorBytes !== 0)
    .sort((a, b) => Math.abs(b.errorBytes) - Math.abs(a.errorBytes));
  const totalErrorBytes = differing.reduce((sum, { errorBytes }) => sum + Math.abs(errorBytes), 0);
  const { reason: hidden } = visibility('/proc');
  return { unavailable: '', hidden, examined: examined.length, totalErrorBytes, differing };
}
