import type { Bounds } from '../counter/counter-tree.js';
import type { RunReport, ThreadReport } from '../doctor/counter-run.js';
import { renderFacts } from './facts.js';
import { type Column, renderTable } from './table.js';
import { indented, type Output } from './terminal.js';
import { formatCount, formatMillions, plural, wrap } from './text.js';

const MAX_ROWS = 16;

export function renderRun(run: RunReport, output: Output): string[] {
  const { width, colors } = output;
  return [
    ...wrap(heading(run), width).map(colors.bold),
    ...renderThreads(run, output),
    '',
    ...renderFacts(
      [
        { label: 'Migrations', text: migrations(run) },
        { label: 'Precise sum', text: preciseSum(run), ok: run.checks.exact },
        { label: 'Approximate', text: approximateSum(run) },
        { label: 'Documented', text: range(run.documented, run.checks.documented), ok: run.checks.documented },
        { label: 'Tight bounds', text: range(run.tight, run.checks.tight), ok: run.checks.tight },
        { label: 'JavaScript', text: `${run.jsNsPerAdd.toFixed(2)} ns per counter.add(1), alone on one thread` },
        { label: 'Verdict', text: run.ok ? '' : 'the counter does not count right on this machine', ok: run.ok },
      ],
      output,
    ),
  ];
}

function heading({ pinned, threads, elapsedNs }: RunReport): string {
  const seconds = `${(elapsedNs / 1e9).toFixed(2)} s`;
  if (!pinned) return `Run of ${seconds}, not pinned: ${plural(threads.length, 'worker thread')} in JavaScript`;
  return `Pinned run of ${seconds}: ${plural(threads.length, 'native thread')}, one on each allowed CPU`;
}

function renderThreads({ threads, pinned, totalAdds, addsPerSecond }: RunReport, output: Output): string[] {
  const numbered = pinned && threads.length <= MAX_ROWS;
  const columns: Column[] = [
    { head: numbered ? 'CPU' : 'thread', align: numbered ? 'right' : 'left' },
    { head: 'adds', align: 'right', optional: true },
    { head: 'million/s', align: 'right' },
    { head: 'ns/add', align: 'right' },
    { head: 'seen on', align: 'left', optional: true },
  ];
  const rows = selectThreads(threads).map(({ label, thread }) => [
    label,
    formatCount(thread.adds),
    formatMillions(thread.addsPerSecond),
    thread.nsPerAdd.toFixed(2),
    seenOn(thread),
  ]);
  const total = ['all', formatCount(totalAdds), formatMillions(addsPerSecond), '', ''];
  return indented(output, (within) => renderTable(columns, [...rows, total], within));
}

/** All threads; of more than `MAX_ROWS`, the slowest, the median and the fastest. */
function selectThreads(threads: ThreadReport[]): { label: string; thread: ThreadReport }[] {
  const name = (thread: ThreadReport) =>
    thread.cpu === null ? `worker ${threads.indexOf(thread) + 1}` : String(thread.cpu);
  if (threads.length <= MAX_ROWS) return threads.map((thread) => ({ label: name(thread), thread }));
  const bySpeed = [...threads].sort((a, b) => b.nsPerAdd - a.nsPerAdd);
  return [
    { rank: 'slowest', thread: bySpeed[0]! },
    { rank: 'median', thread: bySpeed[bySpeed.length >> 1]! },
    { rank: 'fastest', thread: bySpeed.at(-1)! },
  ].map(({ rank, thread }) => ({ label: `${rank}: ${thread.cpu === null ? '' : 'CPU '}${name(thread)}`, thread }));
}

function seenOn({ startCpu, endCpu }: ThreadReport): string {
  if (startCpu < 0 || endCpu < 0) return 'unknown';
  return startCpu === endCpu ? `CPU ${startCpu}` : `CPU ${startCpu}, then ${endCpu}`;
}

function migrations({ migrations: count, pinned, threads }: RunReport): string {
  if (count === null) return 'unknown: this platform does not tell on which CPU a thread runs';
  if (count === 0)
    return pinned ? 'none: each thread was on its CPU' : 'none: each thread ended on the CPU it began on';
  const home = pinned ? 'its own' : 'at first';
  return `${formatCount(count)} of ${plural(threads.length, 'thread')} seen on another CPU than ${home}`;
}

function preciseSum({ precise, totalAdds, checks }: RunReport): string {
  if (checks.exact) return `${formatCount(precise)}, exactly what was added`;
  return `${formatCount(precise)}, but ${formatCount(totalAdds)} were added`;
}

function approximateSum({ approximate, precise }: RunReport): string {
  const off = precise - approximate;
  if (off === 0) return `${formatCount(approximate)}, the same`;
  return `${formatCount(approximate)}, ${formatCount(Math.abs(off))} ${off > 0 ? 'behind' : 'ahead'}`;
}

function range({ min, max }: Bounds, holds: boolean): string {
  return `precise sum ${holds ? 'in' : 'not in'} ${formatCount(min)} to ${formatCount(max)} (${formatCount(max - min)} wide)`;
}
