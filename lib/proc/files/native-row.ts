import type { ProcessFiles } from './process-row.js';

/** One process in a row of native/proc/rss_reader.h: sixteen doubles, then the name. */
export const ROW_BYTES = 192;
const ROW_DOUBLES = ROW_BYTES / 8;
const NAME_OFFSET = 128;
const NAME_BYTES = ROW_BYTES - NAME_OFFSET;

/** A byte order mark is a character of the name like any other. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at]! > 127) return false;
  return true;
}

/** @returns `length` bytes as UTF-8. Most names are short and ASCII, where the decoder costs more than the letters. */
function decodeName(bytes: Uint8Array, from: number, length: number): string {
  const to = from + Math.min(length, NAME_BYTES);
  if (!isAscii(bytes, from, to)) return decoder.decode(bytes.subarray(from, to));
  let name = '';
  for (let at = from; at < to; at++) name += String.fromCharCode(bytes[at]!);
  return name;
}

/** Rows in one memory, as the addon fills them. */
export class NativeRows {
  readonly bytes: Uint8Array;
  readonly #doubles: Float64Array;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  at(index: number): ProcessFiles {
    const row = this.#doubles;
    const at = index * ROW_DOUBLES;
    const rollupKiB = row[at + 12]!;
    return {
      pid: row[at]!,
      name: decodeName(this.bytes, index * ROW_BYTES + NAME_OFFSET, row[at + 15]!),
      state: String.fromCharCode(row[at + 1]!),
      kernelThread: row[at + 2] !== 0,
      threads: row[at + 3]!,
      startTicks: row[at + 4]!,
      statRssPages: row[at + 5]!,
      residentPages: row[at + 6]!,
      anonKiB: row[at + 7]!,
      fileKiB: row[at + 8]!,
      shmemKiB: row[at + 9]!,
      swapKiB: row[at + 10]!,
      pageTableKiB: row[at + 11]!,
      // NaN: not asked for; negative: the errno of what failed.
      rollupKiB: rollupKiB >= 0 ? rollupKiB : null,
      oomScoreAdj: row[at + 13]!,
      oomScore: row[at + 14]!,
    };
  }
}
