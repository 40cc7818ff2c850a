import { beforeEach, describe, expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { Mm, type MmCounter } from '../../lib/mm/mm.js';
import { NOT_NUMBERS, NOT_SAFE_INTEGERS, rangeError, thrown, typeError } from '../support/thrown.js';

const KINDS: MmCounter[] = ['file', 'anon', 'swap', 'shmem'];
/** Names that every JavaScript object has, and a few more that no counter has. */
const NOT_KINDS = ['foo', '', 'Anon', 'anon ', 'rss', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '0'];
const NOT_STRINGS = [undefined, null, 0, 1n, true, Symbol('anon'), {}, ['anon'], new String('anon'), () => 'anon'];

const say = (value: unknown) => (typeof value === 'symbol' ? 'a symbol' : `${typeof value} ${String(value)}`);

describe.each(['wasm', 'ts'] as const)('an Mm refuses, and stays as it is (%s)', (engine) => {
  let arena: CounterArena;
  let mm: Mm;
  beforeEach(() => {
    arena = new CounterArena({ cpus: 8, engine });
    mm = new Mm({ arena, name: 'kept', pageTableBytes: 1 });
    for (const [cpu, kind] of KINDS.entries()) mm.addOn(cpu, kind, 100 + cpu);
  });

  /** Every value of `values` gives `expected`, and changes nothing. */
  function refuses(use: (value: never) => unknown, values: readonly unknown[], expected: unknown): void {
    for (const value of values) {
      expect(
        thrown(() => use(value as never)),
        say(value),
      ).toEqual(expected);
      expect(KINDS.map((kind) => mm.counterSum(kind))).toEqual([100, 101, 102, 103]);
      expect(mm).toMatchObject({ name: 'kept', pageTableBytes: 1 });
      expect(arena.size).toBe(4);
    }
  }

  const byKind: [string, (kind: MmCounter) => unknown][] = [
    ['add', (kind) => mm.add(kind, 1)],
    ['addOn', (kind) => mm.addOn(0, kind, 1)],
    ['counter', (kind) => mm.counter(kind)],
    ['counterSum', (kind) => mm.counterSum(kind)],
  ];

  it.each(byKind)('%s: a kind that is none', (_, use) => {
    refuses(use, NOT_KINDS, rangeError('kind', "'file', 'anon', 'swap', 'shmem'"));
    refuses(use, NOT_STRINGS, typeError('kind', 'a string'));
  });

  const byPages: [string, (pages: number) => unknown][] = [
    ['add', (pages) => mm.add('anon', pages)],
    ['addOn', (pages) => mm.addOn(0, 'anon', pages)],
  ];

  it.each(byPages)('%s: pages that are no safe integer', (_, use) => {
    refuses(use, [undefined, ...NOT_NUMBERS], typeError('a number'));
    refuses(use, NOT_SAFE_INTEGERS, rangeError('a safe integer'));
  });

  it('addOn: a CPU that the arena does not have', () => {
    refuses((cpu) => mm.addOn(cpu, 'anon', 1), [undefined, ...NOT_NUMBERS], typeError('cpu'));
    refuses((cpu) => mm.addOn(cpu, 'anon', 1), [-1, 8, ...NOT_SAFE_INTEGERS], rangeError('cpu', '0 to 7'));
  });

  it('new Mm: options that are none', () => {
    refuses((options) => new Mm(options), [null, 1, 'anon', true, 1n, Symbol('a'), () => 1], typeError('options'));
  });

  it('new Mm: a name that is no string', () => {
    refuses(
      (name) => new Mm({ arena, name }),
      NOT_STRINGS.filter((name) => name !== undefined),
      typeError('options.name', 'a string'),
    );
  });

  it('new Mm: page tables that are no count of bytes', () => {
    refuses((pageTableBytes) => new Mm({ arena, pageTableBytes }), NOT_NUMBERS, typeError('options.pageTableBytes'));
    refuses(
      (pageTableBytes) => new Mm({ arena, pageTableBytes }),
      [-1, ...NOT_SAFE_INTEGERS],
      rangeError('options.pageTableBytes', 'from 0'),
    );
  });

  it('new Mm: an arena that is none', () => {
    const values = [null, 1, 'default', {}, CounterArena, arena.share()];
    refuses((other) => new Mm({ arena: other }), values, typeError('options.arena', 'a CounterArena'));
  });
});
