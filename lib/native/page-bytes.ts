import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { native } from './native.js';

const AT_PAGESZ = 6n;
const WORD_BYTES = 8;
const USUAL_PAGE_BYTES = 4096;

/**
 * @param auxv the content of /proc/PID/auxv of a 64-bit process: pairs of words, type and value.
 * @returns bytes of a memory page, if it has them. Source: proc_pid_auxv(5), getauxval(3).
 */
export function parseAuxvPageBytes(auxv: Uint8Array, littleEndian = endianness() === 'LE'): number | undefined {
  const words = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 2 * WORD_BYTES <= words.byteLength; at += 2 * WORD_BYTES) {
    if (words.getBigUint64(at, littleEndian) !== AT_PAGESZ) continue;
    const bytes = Number(words.getBigUint64(at + WORD_BYTES, littleEndian));
    return bytes > 0 && Number.isInteger(Math.log2(bytes)) ? bytes : undefined;
  }
  return undefined;
}

function pageBytesFromProc(): number | undefined {
  try {
    return parseAuxvPageBytes(readFileSync('/proc/self/auxv'));
  } catch {
    return undefined;
  }
}

let known: number | undefined;

/** @returns bytes of a memory page on this machine: a power of two; 4,096 if the system does not tell. */
export function pageBytes(): number {
  known ??= native.addon?.pageBytes() ?? pageBytesFromProc() ?? USUAL_PAGE_BYTES;
  return known;
}
