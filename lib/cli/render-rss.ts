import type { RssAccounting } from '../proc/accounting/accounting.js';
import type { DetailedReading } from '../proc/reading.js';
import { MODEL_NAMES, perThread } from './model-names.js';
import { type Column, renderTable } from './table.js';
import type { Output } from './terminal.js';
import { formatBytes, formatCount, formatMiB, plural, printable, wrap } from './text.js';

/** Orders of the table: the largest first, except for the last two. */
export const SORTS = ['precise', 'error', 'approximate', 'swap', 'anon', 'pid', 'name'] as const;
export type Sort = (typeof SORTS)[number];

const LEAST_NAME_WIDTH = 8;

export function errorBytes({ approximate, precise }: DetailedReading): number {
  return approximate - precise;
}

const COMPARE: Record<Sort, (a: DetailedReading, b: DetailedReading) => number> = {
  precise: (a, b) => b.precise - a.precise,
  error: (a, b) => Math.abs(errorBytes(b)) - Math.abs(errorBytes(a)),
  approximate: (a, b) => b.approximate - a.approximate,
  swap: (a, b) => b.swap - a.swap,
  anon: (a, b) => b.anon - a.anon,
  pid: (a, b) => a.pid - b.pid,
  name: (a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)),
};

export function sorted(readings: DetailedReading[], sort: Sort): DetailedReading[] {
  return readings.toSorted((a, b) => COMPARE[sort](a, b) || a.pid - b.pid);
}

const COLUMNS: Column[] = [
  { head: 'precise', align: 'right' },
  { head: 'approximate', align: 'right' },
  { head: 'error', align: 'right' },
  { head: 'approximate allows', align: 'right', optional: true },
  { head: 'anon', align: 'right', optional: true },
  { head: 'file', align: 'right', optional: true },
  { head: 'shmem', align: 'right', optional: true },
  { head: 'swap', align: 'right', optional: true },
  { head: 'PID', align: 'right' },
  { head: 'process', align: 'left', flexible: LEAST_NAME_WIDTH },
];

/** Whether the precise figure is approximate, because smaps_rollup was needed and denied. */
function isDenied({ source, precise }: DetailedReading, { statmPrecise }: RssAccounting): boolean {
  return !statmPrecise && source === 'statm' && precise > 0;
}

function toRow(reading: DetailedReading, accounting: RssAccounting, observers: ReadonlySet<number>): string[] {
  const error = errorBytes(reading);
  return [
    `${isDenied(reading, accounting) ? '~' : ''}${formatMiB(reading.precise)}`,
    formatMiB(reading.approximate),
    `${error > 0 ? '+' : ''}${formatMiB(error)}`,
    `${formatMiB(reading.min)} … ${formatMiB(reading.max)}`,
    formatMiB(reading.anon),
    formatMiB(reading.file),
    formatMiB(reading.shmem),
    formatMiB(reading.swap),
    String(reading.pid),
    `${printable(reading.name)}${observers.has(reading.pid) ? ' *' : ''}`,
  ];
}

function describeAccounting({ model, statmPrecise, worstCaseBytes }: RssAccounting): string {
  return (
    `approximate: /proc/PID/stat, ${MODEL_NAMES[model]}, off by up to ${formatBytes(worstCaseBytes)}${perThread(model)}; ` +
    `precise: ${statmPrecise ? 'statm' : 'smaps_rollup, if it may be read'}`
  );
}

interface RssView {
  limit: number;
  observers?: ReadonlySet<number>;
  /** Why processes may be missing; '' if none is. */
  unseen?: string;
}

/** @returns the table, sizes in MiB; lines no wider than `width` unless the columns need more. */
export function renderRss(
  readings: DetailedReading[],
  accounting: RssAccounting,
  output: Output,
  { limit, observers = new Set(), unseen = '' }: RssView,
): string[] {
  const { width, colors } = output;
  const missing = unseen ? wrap(`Not all processes: ${printable(unseen)}.`, width) : [];
  if (readings.length === 0) return ['No process has memory here.', ...missing];
  const shown = readings.slice(0, limit);
  const rows = shown.map((reading) => toRow(reading, accounting, observers));
  const legend = [
    ...(shown.some((reading) => isDenied(reading, accounting))
      ? ['~ approximate too, from statm: smaps_rollup is denied']
      : []),
    ...(shown.some(({ pid }) => observers.has(pid))
      ? ['* this command or what started it (--others leaves it out)']
      : []),
  ];
  return [
    ...renderTable(COLUMNS, rows, output),
    '',
    ...wrap(summary(readings, readings.length - shown.length), width),
    ...legend.flatMap((text) => wrap(text, width)),
    ...missing,
    ...wrap(`${describeAccounting(accounting)}.`, width).map(colors.dim),
  ];
}

function summary(readings: DetailedReading[], hidden: number): string {
  const total = readings.reduce((sum, { precise }) => sum + precise, 0);
  const error = readings.reduce((sum, reading) => sum + Math.abs(errorBytes(reading)), 0);
  const together = readings.length > 1 ? ' together (shared memory counted in each)' : '';
  return [
    `MiB. ${plural(readings.length, 'process', 'processes')}, ${formatMiB(total)} MiB${together}`,
    ...(error > 0 ? [`, ${formatMiB(error)} MiB of error`] : []),
    ...(hidden > 0 ? [`; ${formatCount(hidden)} not shown (--limit)`] : []),
    '.',
  ].join('');
}
