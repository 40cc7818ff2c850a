interface ElfLibrary {
  /** As `process.arch` names it; 'machine N' for others. */
  arch: string;
  needed: string[];
}

/** e_machine of the architectures Node is built for. */
const ARCHES: Record<number, string> = { 62: 'x64', 183: 'arm64', 243: 'riscv64', 258: 'loong64' };

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const LOAD = 1;
const DYNAMIC = 2;

const NEEDED = 1;
const STRING_TABLE = 5;

interface Segment {
  type: number;
  offset: number;
  address: number;
  bytes: number;
}

class Reader {
  readonly #view: DataView;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  half(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  word(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  /** An offset or address. It is exact below 2^53; a larger one is beyond the end of any file. */
  long(offset: number): number {
    return Number(this.#view.getBigUint64(offset, true));
  }

  text(offset: number): string {
    const end = this.bytes.indexOf(0, offset);
    return Buffer.from(this.bytes.subarray(offset, end < 0 ? undefined : end)).toString('latin1');
  }
}

function readSegments(file: Reader): Segment[] {
  const start = file.long(32);
  const count = file.half(56);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * SEGMENT_BYTES;
    return { type: file.word(at), offset: file.long(at + 8), address: file.long(at + 16), bytes: file.long(at + 32) };
  });
}

function readNeeded(file: Reader, segments: Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  if (!dynamic) return [];
  const names: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 16) {
    const tag = file.long(at);
    if (tag === NEEDED) names.push(file.long(at + 8));
    else if (tag === STRING_TABLE) strings = file.long(at + 8);
  }
  const home = segments.find(
    ({ type, address, bytes }) => type === LOAD && strings >= address && strings < address + bytes,
  );
  return home ? names.map((name) => file.text(strings - home.address + home.offset + name)) : [];
}

/**
 * Checks a file before it is loaded as a shared library. The system maps what the headers state, so a truncated file kills
 * the process with SIGBUS, which cannot be caught.
 *
 * Source: elf(5).
 *
 * @returns what it is, or why it cannot be loaded.
 */
export function inspectElf(bytes: Uint8Array): ElfLibrary | string {
  try {
    return inspect(bytes);
  } catch (error) {
    if (error instanceof RangeError) return 'the file is damaged';
    throw error;
  }
}

function inspect(bytes: Uint8Array): ElfLibrary | string {
  const file = new Reader(bytes);
  if (bytes.length < 4 || file.text(0).slice(0, 4) !== '\x7fELF') return 'not a shared library';
  const cutOff = 'the file is cut off';
  if (bytes.length < HEADER_BYTES) return cutOff;
  if (bytes[4] !== 2 || bytes[5] !== 1) return 'not a 64-bit little-endian library';
  const tables = [
    { start: file.long(32), bytes: file.half(54) * file.half(56) },
    { start: file.long(40), bytes: file.half(58) * file.half(60) },
  ];
  if (tables.some((table) => table.start + table.bytes > bytes.length)) return cutOff;
  if (file.half(54) !== SEGMENT_BYTES) return 'not a shared library';
  const segments = readSegments(file);
  if (segments.some((segment) => segment.offset + segment.bytes > bytes.length)) return cutOff;
  const machine = file.half(18);
  return { arch: ARCHES[machine] ?? `machine ${machine}`, needed: readNeeded(file, segments) };
}
