import type { Output } from './terminal.js';
import { displayWidth, truncate } from './text.js';

export interface Column {
  head: string;
  align: 'left' | 'right';
  /** Omitted if the terminal is too narrow, the first optional column first. */
  optional?: boolean;
  /** Least width of the one column with arbitrary text, which is cut to the space that the others leave. */
  flexible?: number;
}

const GAP = '  ';

/** The width of a column. Fixed columns hold ASCII, one column per character. */
function neededWidth(column: Column, cells: string[]): number {
  return column.flexible ?? cells.reduce((widest, cell) => Math.max(widest, cell.length), 0);
}

/**
 * Lays out rows in columns, at most `width` columns wide unless the fixed columns need more.
 *
 * @param rows plain text, one cell per column.
 * @returns the lines, headings first.
 */
export function renderTable(columns: Column[], rows: string[][], { width, colors }: Output): string[] {
  const needed = columns.map((column, at) => neededWidth(column, [column.head, ...rows.map((row) => row[at] ?? '')]));
  const kept = new Set(columns.keys());
  const total = () => [...kept].reduce((sum, at) => sum + needed[at]! + GAP.length, -GAP.length);
  for (const [at, { optional }] of columns.entries()) {
    if (optional && total() > width) kept.delete(at);
  }
  const shown = [...kept];
  const spare = Math.max(0, width - total());
  const widths = shown.map((at) => needed[at]! + (columns[at]!.flexible === undefined ? 0 : spare));
  const layOut = (cells: string[], paint = (text: string) => text) =>
    shown
      .map((at, place) => alignCell(cells[at] ?? '', columns[at]!.align, widths[place]!, paint))
      .join(GAP)
      .trimEnd();
  const heads = columns.map(({ head }) => head);
  return [layOut(heads, colors.dim), ...rows.map((row) => layOut(row))];
}

function alignCell(cell: string, align: Column['align'], width: number, paint: (text: string) => string): string {
  const text = truncate(cell, width);
  const margin = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'right' ? margin + paint(text) : paint(text) + margin;
}
