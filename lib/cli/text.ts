import { escapeInvisible } from '../errors.js';

// Made once: `toLocaleString()` makes a formatter per call, which takes most of the time of a long table.
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const THREE_DECIMALS = new Intl.NumberFormat('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const FOUR_DIGITS = new Intl.NumberFormat('en-US', { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });

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

/** Characters of two columns: East Asian scripts with their punctuation and full forms, and emoji. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;

function characterWidth(character: string): number {
  if (character <= '~') return 1;
  if (/\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** @returns a printable text of at most `width` columns; one that is longer ends with `…`. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const character of text) {
    left -= characterWidth(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

/** @returns the text with `?` for characters that control a terminal or break a line: process names may hold any. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/**
 * @param indent as of `JSON.stringify()`.
 * @returns JSON with an escape for every character that controls a terminal, breaks a line or changes the writing direction. A
 *   parser reads the same value.
 */
export function toJson(value: unknown, indent = 0): string {
  // Line feeds belong to the layout: JSON has escaped those in strings.
  return JSON.stringify(value, null, indent).split('\n').map(escapeInvisible).join('\n');
}

export function formatCount(count: number): string {
  return WHOLE.format(count);
}

export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : many}`;
}

/** @returns a rate in millions, to four digits. */
export function formatMillions(perSecond: number): string {
  return FOUR_DIGITS.format(perSecond / 1e6);
}

/** @returns MiB with three decimals: a page of 4 KiB shows as 0.004. */
export function formatMiB(bytes: number): string {
  return THREE_DECIMALS.format(bytes / 2 ** 20);
}

/** @returns a size in the largest unit that leaves a figure of at least 1. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${units[unit]}`;
}
