import { formatCpuList } from '../cpu/cpu-list.js';
import type { DoctorReport } from '../doctor/report.js';
import { firstLine } from '../errors.js';
import { type Fact, renderFacts } from './facts.js';
import { MODEL_NAMES, perThread } from './model-names.js';
import { renderRun } from './render-run.js';
import { type Column, renderTable } from './table.js';
import { indented, type Output } from './terminal.js';
import { formatBytes, formatCount, formatMiB, plural, printable, wrap } from './text.js';

interface ReportView {
  /** Show all processes that differ, not only the first 20. */
  all?: boolean;
}

const MAX_PROCESSES = 20;
const LEAST_NAME_WIDTH = 8;
const LEAST_FINDING_WIDTH = 34;
const LEAST_MONITOR_TABLE_WIDTH = 90;

/** @returns the report as text: lines no wider than `width`, with a newline at the end. */
export function renderReport(report: DoctorReport, output: Output, { all = false }: ReportView = {}): string {
  const { colors } = output;
  const titled = (title: string, facts: Fact[]) =>
    facts.length === 0 ? [] : [colors.bold(title), ...renderFacts(facts, output)];
  const sections = [
    [colors.bold(`percpu ${report.version}`), ...fallbackNote(report, output)],
    failureSection(report, output),
    titled('Engine', engineFacts(report)),
    titled('Machine', machineFacts(report)),
    accountingSection(report, output),
    monitorSection(report, output),
    report.run ? renderRun(report.run, output) : [],
    renderProcesses(report, output, all),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function failureSection({ failures }: DoctorReport, output: Output): string[] {
  const { colors } = output;
  if (failures.length === 0) return [];
  const facts = failures.map(({ part, message }) => ({ label: part, text: printable(firstLine(message)), ok: false }));
  return [colors.bold('What failed'), ...renderFacts(facts, output)];
}

function fallbackNote({ engine }: DoctorReport, output: Output): string[] {
  const { width, colors } = output;
  if (!engine || engine.addonLoaded) return [];
  const note =
    `Fallback, without the native addon: ${printable(engine.addonReason)}. Counting is as exact; each ` +
    "thread adds to a leaf of its own instead of its CPU's, and threads cannot be pinned.";
  return wrap(note, width).map(colors.yellow);
}

function engineFacts({ engine }: DoctorReport): Fact[] {
  if (!engine) return [];
  const names = { wasm: 'WebAssembly', ts: 'TypeScript with Atomics' };
  const sources = {
    rseq: 'read from memory where the kernel keeps it current (rseq)',
    getcpu: `polled during adds (getcpu): ${engine.cpuSourceReason}`,
    thread: `unknown, a number per thread instead: ${engine.cpuSourceReason}`,
  };
  return [
    { label: 'Adds', text: printable(`${names[engine.name]}: ${engine.reason}`) },
    { label: 'Addon', text: printable(`${engine.addonLoaded ? 'native' : 'fallback'}: ${engine.addonReason}`) },
    { label: 'CPU number', text: printable(sources[engine.cpuSource]) },
  ];
}

function machineFacts({ machine }: DoctorReport): Fact[] {
  if (!machine) return [];
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
    {
      label: 'Kernel',
      text: `${machine.platform} ${printable(machine.kernel)}, pages of ${formatBytes(machine.pageBytes)}`,
    },
    { label: 'Node', text: `${machine.node} (${machine.arch})` },
  ];
}

/** Kernels that count so. */
const MODEL_KERNELS = {
  'flat-percpu': ', as in Linux 6.2 and later',
  'per-thread': ', as before Linux 6.2',
  hierarchical: '',
  unknown: '',
};

function schemesText({ flatBytes, treeBytes }: NonNullable<DoctorReport['schemes']>): string {
  const flat = `flat counters miss up to ${formatBytes(flatBytes)} of an RSS`;
  if (flatBytes === treeBytes) return `${flat}, counter trees as much: neither is tighter on this machine`;
  const tighter = treeBytes < flatBytes ? 'counter trees are' : 'flat counters are';
  return `${flat}, counter trees ${formatBytes(treeBytes)}: ${tighter} tighter on this machine`;
}

function accountingSection({ accounting, schemes }: DoctorReport, output: Output): string[] {
  const { width, colors } = output;
  if (!accounting) return [];
  const { model, statmPrecise, batch, worstCaseBytes, note } = accounting;
  const each = model === 'per-thread' ? 'thread' : 'CPU and counter';
  return [
    ...wrap('How this kernel counts resident memory, by a probe', width).map(colors.bold),
    ...renderFacts(
      [
        { label: 'Counters', text: MODEL_NAMES[model] + MODEL_KERNELS[model] },
        { label: 'Held back', text: `up to ${formatCount(batch)} pages per ${each}` },
        {
          label: 'Worst case',
          text: `an approximate RSS is off by up to ${formatBytes(worstCaseBytes)}${perThread(model)}`,
        },
        ...(schemes ? [{ label: 'Compared', text: schemesText(schemes) }] : []),
        { label: 'stat', text: batch === 1 ? 'precise' : 'approximate' },
        { label: 'statm, status', text: statmPrecise ? 'precise' : 'approximate: only smaps_rollup is precise' },
        ...(note ? [{ label: 'Not known', text: printable(note) }] : []),
      ],
      output,
    ),
  ];
}

/** The example of an error is the process with the largest one. */
function monitorSection({ monitors, processes }: DoctorReport, output: Output): string[] {
  const { width, colors } = output;
  const [worst] = processes.differing;
  if (processes.unavailable) return [];
  const finding = (precise: boolean) => {
    if (precise) return 'right';
    return worst ? `wrong: ${formatMiB(worst.errorBytes)} MiB for PID ${worst.pid}` : 'approximate, right by chance';
  };
  const heading = wrap('What monitors here read', width).map(colors.bold);
  if (width < LEAST_MONITOR_TABLE_WIDTH) {
    const sentences = monitors.map(
      ({ name, reads, precise }) => `${printable(name)} reads ${printable(reads)}: ${finding(precise)}`,
    );
    return [...heading, ...indented(output, (within) => sentences.flatMap((text) => wrap(text, within.width)))];
  }
  const columns: Column[] = [
    { head: 'monitor', align: 'left' },
    { head: 'version', align: 'left', optional: true },
    { head: 'reads', align: 'left' },
    { head: 'which is', align: 'left', flexible: LEAST_FINDING_WIDTH },
  ];
  const rows = monitors.map(({ name, version, reads, precise }) => [
    ...[name, version, reads].map(printable),
    finding(precise),
  ]);
  return [...heading, ...indented(output, (within) => renderTable(columns, rows, within))];
}

function renderProcesses({ processes }: DoctorReport, output: Output, all: boolean): string[] {
  const { width, colors } = output;
  const { unavailable, hidden, examined, differing, totalErrorBytes } = processes;
  const heading = wrap('RSS as Node reports it (approximate) against the precise one', width).map(colors.bold);
  const say = (text: string) => indented(output, (within) => wrap(text, within.width));
  if (unavailable) return [...heading, ...say(`Not available here: ${printable(unavailable)}.`)];
  const unseen = hidden ? say(`Not all processes: ${printable(hidden)}.`) : [];
  if (differing.length === 0) {
    const none = `No process differs, of ${formatCount(examined)} examined.`;
    return [...heading, ...say(none), ...unseen];
  }
  const columns: Column[] = [
    { head: 'error MiB', align: 'right' },
    { head: 'approximate MiB', align: 'right', optional: true },
    { head: 'precise MiB', align: 'right', optional: true },
    { head: 'PID', align: 'right' },
    { head: 'process', align: 'left', flexible: LEAST_NAME_WIDTH },
  ];
  const shown = all ? differing : differing.slice(0, MAX_PROCESSES);
  const rows = shown.map(({ pid, name, approximateBytes, preciseBytes, errorBytes }) => [
    `${errorBytes > 0 ? '+' : ''}${formatMiB(errorBytes)}`,
    formatMiB(approximateBytes),
    formatMiB(preciseBytes),
    String(pid),
    printable(name),
  ]);
  const more = differing.length - shown.length;
  return [
    ...heading,
    ...indented(output, (within) => renderTable(columns, rows, within)),
    ...(more > 0 ? say(`and ${formatCount(more)} more (--all shows them)`) : []),
    '',
    ...renderFacts(
      [
        { label: 'Total', text: `${formatMiB(totalErrorBytes)} MiB of error, signs left aside` },
        { label: 'Processes', text: `${formatCount(differing.length)} of ${formatCount(examined)} examined differ` },
      ],
      output,
    ),
    ...unseen,
  ];
}
