import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStat, parseStatm } from '../../lib/proc/files/proc-text.js';
import { AWKWARD_NAMES } from '../support/proc-tree.js';

const parameters = process.env.SEED ? { seed: Number(process.env.SEED) } : {};

/** Characters that mean something in these files, and some that never should. */
const nasty = fc.constantFrom(...'() \n\0\t-+.,e0159SZxX\u001b\u00a0\ufffd名');

/** A line as kernel 6.18 writes it. */
function statLine(name: string, { state = 'S', flags = 4194304, rss = 410 } = {}): string {
  return (
    `17080 (${name}) ${state} 17074 17074 14516 0 -1 ${flags} 101 0 0 0 0 0 0 0 20 0 1 0 395558 3133440 ${rss} ` +
    '18446744073709551615 94580390232064 94580390251945 140722782584640 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 ' +
    '94580390267952 94580390269568 94580788563968 140722782591706 140722782591726 140722782591726 140722782593003 0\n'
  );
}

describe('parseStat', () => {
  it('reads the fields', () => {
    expect(parseStat(statLine('cat'))).toEqual({
      pid: 17080,
      name: 'cat',
      state: 'S',
      kernelThread: false,
      userTicks: 0,
      systemTicks: 0,
      threads: 1,
      startTicks: 395558,
      rssPages: 410,
    });
  });

  it.each(AWKWARD_NAMES)('keeps the name %j', (name) => {
    expect(parseStat(statLine(name))).toMatchObject({ name, state: 'S', rssPages: 410 });
  });

  it('keeps any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: nasty }), (name) => {
        expect(parseStat(statLine(name))).toMatchObject({ pid: 17080, name, rssPages: 410 });
      }),
      parameters,
    );
  });

  it('knows a kernel thread by its flag', () => {
    expect(parseStat(statLine('kworker/0:0', { flags: 69238880, rss: 0 }))?.kernelThread).toBe(true);
    expect(parseStat(statLine('kthreadd-like', { flags: 0x0400_0000 }))?.kernelThread).toBe(false);
  });

  it.each(['cat', ') R 1 (', 'a b'])('cut off anywhere it is undefined, never wrong: %j', (name) => {
    const line = statLine(name);
    const whole = parseStat(line);
    const complete = line.indexOf(' 18446744073709551615') + 1;
    for (let length = 0; length <= line.length; length++) {
      expect(parseStat(line.slice(0, length)), `${length} characters`).toEqual(length < complete ? undefined : whole);
    }
  });

  it.each([
    ['no parentheses', statLine('cat').replace(/[()]/g, '')],
    ['parentheses the wrong way round', statLine('cat').replace('(', '<').replace(')', '(').replace('<', ')')],
    ['a pid that is none', statLine('cat').replace('17080', 'x')],
    ['no pid', statLine('cat').replace('17080 ', '')],
    ['a negative rss', statLine('cat', { rss: -1 })],
    ['a fractional rss', statLine('cat', { rss: 1.5 })],
    ['an rss beyond every machine', statLine('cat', { rss: 2 ** 60 })],
    ['a state of two letters', statLine('cat', { state: 'SS' })],
    ['zero bytes', '\0'.repeat(400)],
  ])('refuses %s', (_, text) => {
    expect(parseStat(text)).toBeUndefined();
  });

  it('never throws', () => {
    const near = fc.tuple(fc.nat(400), fc.string({ unit: nasty })).map(([at, junk]) => {
      const line = statLine('cat');
      return line.slice(0, at) + junk + line.slice(at + junk.length);
    });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: nasty, maxLength: 400 }), near), (text) => {
        parseStat(text);
        parseStatm(text);
      }),
      parameters,
    );
  });
});

describe('parseStatm', () => {
  it('reads the fields', () => {
    expect(parseStatm('765 433 404 5 0 123 0\n')).toEqual({ sizePages: 765, residentPages: 433, sharedPages: 404 });
    expect(parseStatm('0 0 0 0 0 0 0\n')).toEqual({ sizePages: 0, residentPages: 0, sharedPages: 0 });
  });

  it('cut off it is undefined, never wrong', () => {
    const line = '765 433 404 5 0 123 0\n';
    for (let length = 0; length < line.length - 2; length++) {
      expect(parseStatm(line.slice(0, length)), `${length} characters`).toBeUndefined();
    }
  });

  it.each(['', '\n', 'a b c d e f g', '1 -2 3 4 5 6 7', '1 2.5 3 4 5 6 7', '1,2,3,4,5,6,7', '1  2 3 4 5 6 7'])(
    'refuses %j',
    (text) => {
      expect(parseStatm(text)).toBeUndefined();
    },
  );
});
