import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { pageBytes, parseAuxvPageBytes } from '../lib/native/page-bytes.js';
import { itUnless } from './support/skip.js';

/** Entries of an auxiliary vector, at an offset that no 64-bit view could have. */
function auxv(entries: [bigint, bigint][], littleEndian = true): Uint8Array {
  const bytes = new Uint8Array(3 + entries.length * 16);
  const words = new DataView(bytes.buffer, 3);
  entries.forEach(([type, value], at) => {
    words.setBigUint64(at * 16, type, littleEndian);
    words.setBigUint64(at * 16 + 8, value, littleEndian);
  });
  return bytes.subarray(3);
}

describe('parseAuxvPageBytes', () => {
  it.each([4096n, 16384n, 65536n])('finds %d bytes among other entries', (bytes) => {
    const entries: [bigint, bigint][] = [
      [33n, 0x7ffc_0000_0000n],
      [6n, bytes],
      [0n, 0n],
    ];
    expect(parseAuxvPageBytes(auxv(entries), true)).toBe(Number(bytes));
    expect(parseAuxvPageBytes(auxv(entries, false), false)).toBe(Number(bytes));
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['half an entry', auxv([[6n, 4096n]]).subarray(0, 15)],
    ['no such entry', auxv([[5n, 4096n]])],
    ['a size of 0', auxv([[6n, 0n]])],
    ['a size that is no power of two', auxv([[6n, 5000n]])],
  ])('is undefined for %s', (_, bytes) => {
    expect(parseAuxvPageBytes(bytes, true)).toBeUndefined();
  });
});

describe('pageBytes', () => {
  const getconf = spawnSync('getconf', ['PAGESIZE'], { encoding: 'utf8' });
  itUnless(getconf.status === 0 ? '' : 'there is no getconf')('is what getconf says', () => {
    expect(pageBytes()).toBe(Number(getconf.stdout));
  });

  it('is a power of two everywhere', () => {
    expect(Number.isInteger(Math.log2(pageBytes()))).toBe(true);
  });
});
