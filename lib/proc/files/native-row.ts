import { type ProcessFiles, ROW_FIELDS, ROW_NAME_BYTES } from './process-row.js';

const NAME_OFFSET = 8 * ROW_FIELDS.length;

/** One row of the addon: the figures of `ROW_FIELDS`, then the name. */
export const ROW_BYTES = NAME_OFFSET + ROW_NAME_BYTES;

const ROW_DOUBLES = ROW_BYTES / 8;

/** The place of each figure in a row. */
const AT = Object.fromEntries(ROW_FIELDS.map((name, index) => [name, index])) as Record<
  (typeof ROW_FIELDS)[number],
  number
>;

/** A byte order mark is a character of the name like any other. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at]! > 127) return false;
  return true;
}

/** @returns `length` bytes as UTF-8. Most names are short and ASCII, where the decoder costs more than the letters. */
function decodeName(bytes: Uint8Array, from: number, length: number): string {
  const to = from + Math.min(length, ROW_NAME_BYTES);
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
    const rollupKiB = row[at + AT.rollupKiB]!;
    return {
      pid: row[at + AT.pid]!,
      name: decodeName(this.bytes, index * ROW_BYTES + NAME_OFFSET, row[at + AT.nameBytes]!),
      state: String.fromCharCode(row[at + AT.state]!),
      kernelThread: row[at + AT.kernelThread] !== 0,
      threads: row[at + AT.threads]!,
      startTicks: row[at + AT.startTicks]!,
      userTicks: row[at + AT.userTicks]!,
      systemTicks: row[at + AT.systemTicks]!,
      statRssPages: row[at + AT.statRssPages]!,
      residentPages: row[at + AT.residentPages]!,
      sharedPages: row[at + AT.sharedPages]!,
      fileKiB: row[at + AT.fileKiB]!,
      shmemKiB: row[at + AT.shmemKiB]!,
      swapKiB: row[at + AT.swapKiB]!,
      pageTableKiB: row[at + AT.pageTableKiB]!,
      // NaN: not asked for; negative: the errno of what failed.
      rollupKiB: rollupKiB >= 0 ? rollupKiB : null,
      oomScoreAdj: row[at + AT.oomScoreAdj]!,
      oomScore: row[at + AT.oomScore]!,
    };
  }
}
