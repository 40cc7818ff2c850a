import type { Output } from './terminal.js';
import { wrap } from './text.js';

/** A line of a report; `ok` tells the result of a check. */
export interface Fact {
  label: string;
  text: string;
  ok?: boolean;
}

const LABEL_WIDTH = 12;
const INDENT = '  ';

/** @returns one fact below the other, with texts wrapped beside their labels, at most `width` columns wide. */
export function renderFacts(facts: Fact[], { width, colors }: Output): string[] {
  return facts.flatMap(({ label, text, ok }) => {
    const verdict = ok === undefined ? '' : ok ? 'OK' : 'NOT OK';
    const lines = wrap(`${verdict} ${text}`.trim(), width - INDENT.length - LABEL_WIDTH - 1);
    const color = ok ? colors.green : colors.red;
    return lines.map((line, at) => {
      const shown = at === 0 && line.startsWith(verdict) ? color(verdict) + line.slice(verdict.length) : line;
      const margin = at === 0 ? colors.dim(label.padEnd(LABEL_WIDTH)) : ' '.repeat(LABEL_WIDTH);
      return `${INDENT}${margin} ${verdict ? shown : line}`;
    });
  });
}
