/** Columns of continuous text, on however wide a terminal. */
const MAX_TEXT_WIDTH = 100;

/**
 * Breaks text at spaces into lines of at most `width` columns; a longer word is cut. Counts one column per character.
 *
 * @returns at least one line.
 */
export function wrap(text: string, width: number): string[] {
  const limit = Math.max(1, Math.min(width, MAX_TEXT_WIDTH));
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length <= limit) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    for (; word.length > limit; word = word.slice(limit)) lines.push(word.slice(0, limit));
    line = word;
  }
  return [...lines, line];
}

/** @returns the text with `?` for what could steer a terminal or break a line: process names hold what their owner likes. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/** @returns an integer with thousands separators. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** @returns `1 node`, `2 nodes`, `2 processes`. */
export function plural(count: number, noun: string): string {
  const ending = count === 1 ? '' : noun.endsWith('s') ? 'es' : 's';
  return `${formatCount(count)} ${noun}${ending}`;
}

/** @returns a rate in millions, to four digits. */
export function formatMillions(perSecond: number): string {
  return (perSecond / 1e6).toLocaleString('en-US', { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
}

/** @returns MiB with three decimals: a page of 4 KiB shows as 0.004. */
export function formatMiB(bytes: number): string {
  return (bytes / 2 ** 20).toLocaleString('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

/** @returns a size in the largest unit that leaves a figure of at least 1. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${units[unit]}`;
}
