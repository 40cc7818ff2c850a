import Table from 'cli-table3';
import type { Colors } from 'picocolors/types.js';

export interface Column {
  head: string;
  align: 'left' | 'right';
  /** Left out, the first one first, where the terminal is too narrow. */
  optional?: boolean;
  /** Cut to what the others leave it, at the least this many columns; for one column that may hold any text. */
  flexible?: number;
}

const GAP = '  ';
const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('left-mid', 'mid-mid', 'right-mid')
    .map((name) => [name, '']),
);

/** Columns a column needs. Fixed columns hold ASCII, one column per character. */
function neededWidth(column: Column, cells: string[]): number {
  return column.flexible ?? Math.max(...cells.map((cell) => cell.length));
}

/**
 * Lays out rows in columns without lines, at most `width` columns wide unless the fixed columns alone need more.
 *
 * @param rows plain text, one cell per column.
 * @returns the lines, the headings first.
 */
export function renderTable(columns: Column[], rows: string[][], width: number, colors: Colors): string[] {
  const needed = columns.map((column, at) => neededWidth(column, [column.head, ...rows.map((row) => row[at] ?? '')]));
  const kept = new Set(columns.keys());
  const total = () => [...kept].reduce((sum, at) => sum + needed[at]! + GAP.length, -GAP.length);
  for (const [at, { optional }] of columns.entries()) {
    if (optional && total() > width) kept.delete(at);
  }
  const shown = [...kept];
  const spare = Math.max(0, width - total());
  const table = new Table({
    chars: { ...NO_LINES, middle: GAP },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    head: shown.map((at) => colors.dim(columns[at]!.head)),
    colAligns: shown.map((at) => columns[at]!.align),
    colWidths: shown.map((at) => needed[at]! + (columns[at]!.flexible === undefined ? 0 : spare)),
  });
  for (const row of rows) table.push(shown.map((at) => row[at] ?? ''));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}
