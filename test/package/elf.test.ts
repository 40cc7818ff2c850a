import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inspectElf } from '../../lib/native/elf.js';
import { fakeElf } from '../support/fake-elf.js';
import { randomIntegers, testSeed } from '../support/random.js';
import { itUnless, notLinux } from '../support/skip.js';

describe('inspectElf', () => {
  const whole = fakeElf({ machine: 62, needed: ['libc.so.6', 'libm.so.6'] });

  it('reads architecture and needed libraries', () => {
    expect(inspectElf(whole)).toEqual({ arch: 'x64', needed: ['libc.so.6', 'libm.so.6'] });
    expect(inspectElf(fakeElf({ machine: 183, needed: ['libc.so'] }))).toEqual({ arch: 'arm64', needed: ['libc.so'] });
    expect(inspectElf(fakeElf({ machine: 7, needed: [] }))).toEqual({ arch: 'machine 7', needed: [] });
  });

  it('notices every length a file can be cut off at', () => {
    for (let length = 4; length < whole.length; length++) {
      expect(inspectElf(whole.subarray(0, length)), String(length)).toBe('the file is cut off');
    }
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['three bytes', Buffer.from('\x7fEL')],
    ['text', Buffer.from('#!/bin/sh\n'.repeat(100))],
    ['zeros', Buffer.alloc(4096)],
  ])('refuses %s', (_, bytes) => {
    expect(inspectElf(bytes)).toBe('not a shared library');
  });

  it('refuses 32-bit and big-endian ones', () => {
    for (const at of [4, 5]) {
      const other = Buffer.from(whole);
      other[at] = 3 - other[at]!;
      expect(inspectElf(other)).toBe('not a 64-bit little-endian library');
    }
  });

  it('never throws, whatever the headers say', () => {
    const below = randomIntegers(testSeed);
    for (let round = 0; round < 5_000; round++) {
      const bytes = Buffer.from(whole);
      for (let changes = below(4); changes >= 0; changes--) bytes[4 + below(bytes.length - 4)] = below(256);
      const found = inspectElf(bytes);
      const fine = typeof found === 'string' || Array.isArray(found.needed);
      expect(fine, `SEED=${testSeed}, round ${round}`).toBe(true);
    }
  });

  itUnless(notLinux)('reads the C library of this machine', () => {
    const [path] = /\S+libc\S*\.so\S*|\S+ld-musl\S+/.exec(readFileSync('/proc/self/maps', 'utf8')) ?? [];
    expect(inspectElf(readFileSync(path!))).toMatchObject({ arch: process.arch });
  });
});
