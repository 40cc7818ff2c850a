import type { Colors } from 'picocolors/types.js';
import { formatCpuList } from '../cpu/cpu-list.js';
import { type Fact, renderFacts } from './facts.js';
import { renderRun } from './render-run.js';
import type { DoctorReport } from './report.js';
import { type Column, renderTable } from './table.js';
import { createColors } from './terminal.js';
import { formatBytes, formatCount, formatMiB, plural, printable, wrap } from './text.js';

export interface RenderOptions {
  /** Columns to fit in, from 40. */
  width: number;
  color: boolean;
  /** All processes that differ, not only the first 20. */
  all?: boolean;
}

const MAX_PROCESSES = 20;
const LEAST_NAME_WIDTH = 8;

/** @returns the report for people: lines no wider than `width`, with a newline at the end. */
export function renderReport(report: DoctorReport, { width, color, all = false }: RenderOptions): string {
  const colors = createColors(color);
  const sections = [
    [colors.bold(`percpu ${report.version}`), ...fallbackNote(report, width, colors)],
    [colors.bold('Engine'), ...renderFacts(engineFacts(report), width, colors)],
    [colors.bold('Machine'), ...renderFacts(machineFacts(report), width, colors)],
    hiddenByKernel(report, width, colors),
    report.run ? renderRun(report.run, width, colors) : [],
    renderProcesses(report, width, colors, all),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function fallbackNote({ engine }: DoctorReport, width: number, colors: Colors): string[] {
  if (engine.addonLoaded) return [];
  const note =
    `Fallback, without the native addon: ${printable(engine.addonReason)}. Counting is as exact; each ` +
    "thread adds to a leaf of its own instead of its CPU's, and threads cannot be pinned.";
  return wrap(note, width).map(colors.yellow);
}

function engineFacts({ engine }: DoctorReport): Fact[] {
  const names = { wasm: 'WebAssembly', ts: 'TypeScript with Atomics' };
  const sources = {
    rseq: 'read from memory where the kernel keeps it current (rseq)',
    getcpu: `asked for now and then (getcpu): ${engine.cpuSourceReason}`,
    thread: `not known, a number per thread instead: ${engine.cpuSourceReason}`,
  };
  return [
    { label: 'Adds', text: `${names[engine.name]}: ${engine.reason}` },
    { label: 'Addon', text: printable(engine.addonLoaded ? engine.addonReason : `none: ${engine.addonReason}`) },
    { label: 'CPU number', text: printable(sources[engine.cpuSource]) },
  ];
}

function machineFacts({ machine }: DoctorReport): Fact[] {
  const { online, possible, allowed, nodes, packages, lastLevelCaches } = machine;
  const layout = [
    plural(nodes, 'NUMA node'),
    ...(packages === null ? [] : [plural(packages, 'package')]),
    ...(lastLevelCaches === null ? [] : [plural(lastLevelCaches, 'last-level cache')]),
  ];
  const cpus = `${online.length} online, ${possible.length} possible, ${allowed.length} allowed`;
  return [
    { label: 'CPU', text: printable(machine.cpuModel) },
    { label: 'CPUs', text: `${cpus} (${formatCpuList(allowed)})` },
    { label: 'Layout', text: layout.join(', ') },
    { label: 'Kernel', text: `${machine.platform} ${machine.kernel}, pages of ${formatBytes(machine.pageBytes)}` },
    { label: 'Node', text: `${machine.node} (${machine.arch})` },
  ];
}

function hiddenByKernel({ kernelCounters, machine }: DoctorReport, width: number, colors: Colors): string[] {
  if (!kernelCounters) return [];
  const { batchPages, bytesPerCounter, bytesPerRss } = kernelCounters;
  const cpus = machine.online.length;
  return [
    ...wrap('What flat per-CPU counters can hide here', width).map(colors.bold),
    ...renderFacts(
      [
        { label: 'Per CPU', text: `max(32, 2 x ${cpus} CPUs) = ${formatCount(batchPages)} pages, for each counter` },
        {
          label: 'Per counter',
          text: `up to ${formatCount(batchPages)} pages x ${cpus} CPUs = ${formatBytes(bytesPerCounter)}`,
        },
        { label: 'Per RSS', text: `three counters: up to ${formatBytes(bytesPerRss)}` },
        { label: 'Basis', text: 'the formula of Linux 6.2 and later, not a measurement' },
      ],
      width,
      colors,
    ),
  ];
}

function renderProcesses({ processes }: DoctorReport, width: number, colors: Colors, all: boolean): string[] {
  const { unavailable, examined, differing, totalErrorBytes } = processes;
  const heading = wrap('RSS as Node reports it (stat) against the precise one (statm)', width).map(colors.bold);
  const say = (text: string) => wrap(text, width - 2).map((line) => `  ${line}`);
  if (unavailable) return [...heading, ...say(`Not to be had here: ${unavailable}.`)];
  if (differing.length === 0) {
    const none = `No process differs, of ${formatCount(examined)} examined.`;
    return [...heading, ...say(`${none} Before a fix of 2025, statm is as approximate as stat and shows the same.`)];
  }
  const columns: Column[] = [
    { head: 'error MiB', align: 'right' },
    { head: 'stat MiB', align: 'right', optional: true },
    { head: 'statm MiB', align: 'right', optional: true },
    { head: 'PID', align: 'right' },
    { head: 'process', align: 'left', flexible: LEAST_NAME_WIDTH },
  ];
  const shown = all ? differing : differing.slice(0, MAX_PROCESSES);
  const rows = shown.map(({ pid, name, statBytes, statmBytes, errorBytes }) => [
    `${errorBytes > 0 ? '+' : ''}${formatMiB(errorBytes)}`,
    formatMiB(statBytes),
    formatMiB(statmBytes),
    String(pid),
    printable(name),
  ]);
  const hidden = differing.length - shown.length;
  return [
    ...heading,
    ...renderTable(columns, rows, width - 2, colors).map((line) => `  ${line}`),
    ...(hidden > 0 ? say(`and ${formatCount(hidden)} more (--all shows them)`) : []),
    '',
    ...renderFacts(
      [
        { label: 'Total', text: `${formatMiB(totalErrorBytes)} MiB of error, signs left aside` },
        { label: 'Processes', text: `${formatCount(differing.length)} of ${formatCount(examined)} examined differ` },
      ],
      width,
      colors,
    ),
  ];
}
