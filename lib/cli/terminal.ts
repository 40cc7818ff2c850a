import type { WriteStream } from 'node:tty';
import pc from 'picocolors';
import type { Colors } from 'picocolors/types.js';

export interface Output {
  /** Columns, from 40. */
  readonly width: number;
  readonly colors: Colors;
}

const PIPED_WIDTH = 80;
const LEAST_WIDTH = 40;

/** @returns the terminal's width, at least 40; 80 for a pipe or a file. */
export function outputWidth(stream: Pick<WriteStream, 'isTTY' | 'columns'>): number {
  if (!stream.isTTY || !stream.columns) return PIPED_WIDTH;
  return Math.max(stream.columns, LEAST_WIDTH);
}

/**
 * @returns whether to write colours: a non-empty `NO_COLOR` forbids them, a non-empty `FORCE_COLOR` other than `0` demands
 *   them, and a terminal that is not `dumb` gets them. Unlike with picocolors, a pipe stays plain if `CI` is set.
 */
export function wantsColor(stream: Pick<WriteStream, 'isTTY'>, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return Boolean(stream.isTTY) && env.TERM !== 'dumb';
}

export function outputFor(stream: Pick<WriteStream, 'isTTY' | 'columns'>): Output {
  return { width: outputWidth(stream), colors: pc.createColors(wantsColor(stream)) };
}

const INDENT = '  ';

/** @returns the lines that `render` makes for what two columns of indent leave of the width, indented. */
export function indented(output: Output, render: (within: Output) => string[]): string[] {
  const within = { ...output, width: output.width - INDENT.length };
  return render(within).map((line) => INDENT + line);
}
