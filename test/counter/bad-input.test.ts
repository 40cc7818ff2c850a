import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CounterArena, type SharedArena } from '../../lib/counter/arena.js';
import { CounterTree, type CounterTreeOptions, type SharedCounter } from '../../lib/counter/counter-tree.js';
import { treeShape } from '../../lib/counter/tree-shape.js';
import {
  destroyed,
  NOT_NUMBERS,
  NOT_SAFE_INTEGERS,
  percpuError,
  rangeError,
  thrown,
  typeError,
} from '../support/thrown.js';

const ENGINES = ['ts', 'wasm'] as const;

/** Integers that are out of range for a count of things, with the end of the range given. */
const notCounts = (max: number) => [0, -1, -0, max + 1, ...NOT_SAFE_INTEGERS];

const say = (value: unknown) => (typeof value === 'symbol' ? 'a symbol' : `${typeof value} ${String(value)}`);

/** Every value of `values` gives `expected`. */
function refuses(run: (value: never) => unknown, values: readonly unknown[], expected: unknown): void {
  for (const value of values)
    expect(
      thrown(() => run(value as never)),
      say(value),
    ).toEqual(expected);
}

describe('treeShape', () => {
  it('refuses what is no number of CPUs', () => {
    refuses(treeShape, [undefined, ...NOT_NUMBERS], typeError('cpus'));
    refuses(treeShape, notCounts(2 ** 20), rangeError('cpus', '1048576'));
  });
});

describe('new CounterArena', () => {
  const make = (options: unknown) => new CounterArena(options as object);

  it('refuses wrong options', () => {
    refuses(make, [null, 7, 'wasm', true, 1n, Symbol('a'), () => 1], typeError('options'));
  });

  it('refuses what is no number of CPUs', () => {
    refuses((cpus) => make({ cpus }), NOT_NUMBERS, typeError('options.cpus'));
    refuses((cpus) => make({ cpus }), notCounts(2 ** 20), rangeError('options.cpus', '1048576'));
  });

  it('refuses what is no capacity', () => {
    refuses((capacity) => make({ cpus: 2, capacity }), NOT_NUMBERS, typeError('options.capacity'));
    refuses((capacity) => make({ cpus: 2, capacity }), notCounts(2 ** 32), rangeError('options.capacity'));
    // More counters of so many CPUs than 4 GiB hold: the message says how many they do.
    const error = thrown(() => make({ cpus: 1_024, capacity: 2 ** 20 }));
    expect(error).toEqual(rangeError('options.capacity', '1024 CPUs'));
    const most = Number(/from 1 to (\d+)/.exec((error as Error).message)?.[1]);
    expect(make({ cpus: 1_024, capacity: most }).size).toBe(0);
    expect(thrown(() => make({ cpus: 1_024, capacity: most + 1 }))).toEqual(rangeError('options.capacity'));
  });

  it('refuses what is no engine', () => {
    refuses((engine) => make({ engine }), [null, 1, 1n, {}, Symbol('ts')], typeError('options.engine'));
    refuses((engine) => make({ engine }), ['', 'native', 'TS', 'toString'], rangeError('options.engine', "'wasm'"));
  });

  it('has a code where the system has no memory for it', () => {
    // A constructor, so no arrow function.
    vi.spyOn(WebAssembly, 'Memory').mockImplementation(function noMemory(): never {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory');
    });
    vi.spyOn(globalThis, 'SharedArrayBuffer').mockImplementation(function noMemory(): never {
      throw new RangeError('Array buffer allocation failed');
    });
    const error = thrown(() => make({ cpus: 2, capacity: 1 }));
    vi.restoreAllMocks();
    expect(error).toMatchObject({ code: expect.stringMatching(/^E[A-Z_]+$/) });
  });
});

describe.each(ENGINES)('new CounterTree, CounterTree.createMany (%s)', (engine) => {
  let arena: CounterArena;
  let neighbour: CounterTree;
  beforeEach(() => {
    arena = new CounterArena({ cpus: 3, capacity: 9, engine });
    neighbour = new CounterTree({ arena, initial: 5 });
  });
  afterEach(() => {
    expect(arena.size).toBe(1);
    expect(neighbour.preciseSum()).toBe(5);
    // No slot has been lost: the rest of the arena is still to be had.
    for (let i = 0; i < 8; i++) new CounterTree({ arena });
  });

  const both = (options: unknown) => [
    () => new CounterTree(options as CounterTreeOptions),
    () => CounterTree.createMany(2, options as CounterTreeOptions),
  ];
  const refusesOption = (name: string, values: readonly unknown[], expected: unknown) => {
    for (const value of values) {
      for (const make of both({ arena, [name]: value })) expect(thrown(make), say(value)).toEqual(expected);
    }
  };

  it('refuse wrong options', () => {
    for (const value of [null, 7, 'arena', false, 1n, Symbol('a'), () => 1]) {
      for (const make of both(value)) expect(thrown(make), say(value)).toEqual(typeError('options'));
    }
  });

  it('refuse what is no batch size', () => {
    refusesOption('batchSize', NOT_NUMBERS, typeError('options.batchSize'));
    const wrong = [0, 1, 3, -2, 6, 33, 2 ** 31, 2 ** 32, 2 ** 40, -(2 ** 31), 2 ** 30 + 1, ...NOT_SAFE_INTEGERS];
    refusesOption('batchSize', wrong, rangeError('options.batchSize', 'power of two'));
  });

  it('refuse what is no initial value', () => {
    refusesOption('initial', NOT_NUMBERS, typeError('options.initial'));
    refusesOption('initial', NOT_SAFE_INTEGERS, rangeError('options.initial'));
  });

  it('refuse what is no arena', () => {
    const impostor = Object.create(CounterArena.prototype, { constructor: { value: CounterArena } });
    refusesOption('arena', [null, 1, 'x', {}, arena.share(), CounterArena], typeError('options.arena'));
    // An object with the right prototype that is none throws as well, rather than counting anywhere.
    refusesOption('arena', [impostor], expect.objectContaining({ name: 'TypeError' }));
  });

  it('refuse what is no number of counters', () => {
    refuses((count) => CounterTree.createMany(count, { arena }), [undefined, ...NOT_NUMBERS], typeError('count'));
    refuses((count) => CounterTree.createMany(count, { arena }), notCounts(2 ** 20), rangeError('count'));
    for (const count of [9, 10, 100, 2 ** 20]) {
      expect(thrown(() => CounterTree.createMany(count, { arena }))).toEqual(percpuError('ERR_ARENA_FULL'));
    }
  });
});

describe.each(ENGINES)('a counter (%s)', (engine) => {
  let arena: CounterArena;
  let counter: CounterTree;
  beforeEach(() => {
    arena = new CounterArena({ cpus: 3, capacity: 2, engine });
    counter = new CounterTree({ arena, initial: 1_000 });
    for (const [cpu, delta] of [70, -5, 33].entries()) counter.addOn(cpu, delta);
  });
  afterEach(() => {
    expect(counter.leaves()).toEqual([70, -5, 33]);
    expect(counter.preciseSum()).toBe(1_098);
    // Leaves carry 64, -32, 32: item 0 (steps of 64) passes on 64 and keeps 32, item 1 passes on -64.
    expect(counter.approximateSum()).toBe(1_000);
    expect(arena.size).toBe(1);
  });

  it('refuses what is no delta', () => {
    refuses((delta) => counter.add(delta), [undefined, ...NOT_NUMBERS], typeError('delta'));
    refuses((delta) => counter.add(delta), NOT_SAFE_INTEGERS, rangeError('delta'));
    refuses((delta) => counter.addOn(1, delta), [undefined, ...NOT_NUMBERS], typeError('delta'));
    refuses((delta) => counter.addOn(1, delta), NOT_SAFE_INTEGERS, rangeError('delta'));
  });

  it('refuses what is no CPU of its shape', () => {
    refuses((cpu) => counter.addOn(cpu, 1), [undefined, ...NOT_NUMBERS], typeError('cpu'));
    const beyond = [-1, 3, 4, 63, 64, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 0.5, ...NOT_SAFE_INTEGERS];
    refuses((cpu) => counter.addOn(cpu, 1), beyond, rangeError('cpu', 'from 0 to 2'));
    refuses((cpu) => counter.addOn(cpu, 2 ** 40), beyond, rangeError('cpu', 'from 0 to 2'));
  });

  it('refuses what cannot be compared with', () => {
    const others = [undefined, null, '1', 1n, true, Symbol('one'), {}, [1], counter.share(), arena];
    for (const method of ['compare', 'approximateCompare'] as const) {
      refuses((other) => counter[method](other), others, typeError('other'));
      refuses((other) => counter[method](other), NOT_SAFE_INTEGERS, rangeError('other'));
    }
  });

  it('may be compared with a counter of another arena, and not with a destroyed one', () => {
    const other = new CounterTree({ arena: new CounterArena({ cpus: 64, capacity: 1 }), initial: 1_097 });
    expect([counter.compare(other), other.compare(counter)]).toEqual([1, -1]);
    expect(counter.approximateCompare(other)).toBe(0);
    other.destroy();
    expect(thrown(() => counter.compare(other))).toEqual(destroyed);
    expect(thrown(() => counter.approximateCompare(other))).toEqual(destroyed);
  });

  it('refuses what is no value', () => {
    refuses((value) => counter.set(value), [undefined, ...NOT_NUMBERS], typeError('value'));
    refuses((value) => counter.set(value), NOT_SAFE_INTEGERS, rangeError('value'));
  });

  it('refuses to be called on something else', () => {
    for (const method of ['add', 'addOn', 'preciseSum', 'bounds', 'share', 'destroy'] as const) {
      const error = thrown(() => (CounterTree.prototype[method] as (...args: number[]) => unknown).call({}, 0, 1));
      expect(error, method).toMatchObject({ name: 'TypeError' });
    }
  });
});

describe.each(ENGINES)('CounterArena.attach (%s)', (engine) => {
  const arena = new CounterArena({ cpus: 3, capacity: 2, engine });
  const handle = arena.share();
  const withField = (field: keyof SharedArena) => (value: unknown) =>
    CounterArena.attach({ ...handle, [field]: value } as SharedArena);

  it('refuses what is no handle', () => {
    const counter = new CounterTree({ arena });
    const others = [undefined, null, 1, 'x', {}, [], arena, handle.memory, counter.share(), Symbol('a'), () => 1];
    refuses(CounterArena.attach, others, typeError('shared', 'CounterArena.share()'));
    counter.destroy();
  });

  it('refuses a handle of another version or process', () => {
    refuses(withField('version'), [0, 1, 3, 1.5, Number.NaN, '1', null, undefined, 1n], rangeError('shared.version'));
    const others = [process.pid + 1, 0, -1, `${process.pid}`, null, undefined, {}];
    refuses(withField('processId'), others, rangeError('shared.processId', `${process.pid}`));
  });

  it('refuses a handle that went through JSON: memory does not', () => {
    const copy = JSON.parse(JSON.stringify(handle)) as SharedArena;
    expect(thrown(() => CounterArena.attach(copy))).toEqual(typeError('shared.memory'));
  });

  it('refuses wrong memory', () => {
    const unshared = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const wrong = [
      undefined,
      null,
      1,
      {},
      new ArrayBuffer(65_536),
      unshared,
      new Uint8Array(8),
      new SharedArrayBuffer(8),
    ];
    refuses(withField('memory'), wrong, typeError('shared.memory'));
  });

  it('refuses a wrong name', () => {
    refuses(withField('arenaId'), [undefined, null, '1', 1n, {}], typeError('shared.arenaId'));
    refuses(withField('arenaId'), [0, -1, 1.5, 2 ** 48, Number.NaN], rangeError('shared.arenaId'));
    refuses(withField('engine'), [undefined, null, 1], typeError('shared.engine'));
    refuses(withField('engine'), ['auto', 'native', 'TS', ''], rangeError('shared.engine'));
    refuses(withField('type'), [undefined, 'percpu.SharedCounter', 'percpu', 1], typeError('shared'));
  });

  it('refuses memory that holds no arena', () => {
    const memories = [
      new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true }),
      new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
      new WebAssembly.Memory({ initial: 3, maximum: 9, shared: true }),
    ];
    const unknown = { ...handle, arenaId: 12_345 };
    refuses((memory) => CounterArena.attach({ ...unknown, memory }), memories, rangeError('shared.memory'));
    const buffers = [new SharedArrayBuffer(65_536), new SharedArrayBuffer(65_536 + 4_097)];
    const plain = { ...unknown, engine: 'ts' as const };
    refuses((memory) => CounterArena.attach({ ...plain, memory }), buffers, rangeError('shared.memory'));
  });

  it('refuses the memory of another arena than the one it names', () => {
    const other = new CounterArena({ cpus: 3, capacity: 2, engine });
    const mixed = { ...handle, memory: other.share().memory };
    expect(thrown(() => CounterArena.attach({ ...mixed, arenaId: 12_345 }))).toEqual(rangeError('shared.memory'));
    expect(thrown(() => CounterArena.attach(mixed))).toEqual(rangeError('shared.memory'));
  });

  it('refuses an arena of another layout', () => {
    const other = new CounterArena({ cpus: 3, capacity: 2, engine });
    const { memory, arenaId } = other.share();
    // As if it had been written by another version: what this thread has not attached yet is read from the memory.
    const words = new Int32Array(memory instanceof SharedArrayBuffer ? memory : memory.buffer);
    const copy = new SharedArrayBuffer(words.byteLength);
    new Int32Array(copy).set(words);
    new Int32Array(copy)[1] = 3;
    new Int32Array(copy)[9] = 77;
    new Int32Array(copy)[10] = 0;
    const shared = { ...handle, engine: 'ts' as const, memory: copy, arenaId: 77 };
    expect(arenaId).not.toBe(77);
    expect(thrown(() => CounterArena.attach(shared))).toEqual(rangeError('shared.memory', 'version'));
  });
});

describe.each(ENGINES)('CounterTree.attach (%s)', (engine) => {
  const arena = new CounterArena({ cpus: 3, capacity: 2, engine });
  const counter = new CounterTree({ arena, initial: 4 });
  const handle = counter.share();
  const withField = (field: keyof SharedCounter) => (value: unknown) =>
    CounterTree.attach({ ...handle, [field]: value } as SharedCounter);
  afterEach(() => {
    expect(arena.size).toBe(1);
    expect(counter.preciseSum()).toBe(4);
  });

  it('refuses what is no handle', () => {
    const others = [undefined, null, 1, 'x', {}, [], counter, arena.share(), Symbol('a'), () => 1];
    refuses(CounterTree.attach, others, typeError('shared', 'CounterTree.share()'));
  });

  it('refuses a handle of another version or process', () => {
    refuses(withField('version'), [0, 1, 3, '1', null, undefined], rangeError('shared.version'));
    refuses(withField('processId'), [process.pid + 1, 0, null, undefined], rangeError('shared.processId'));
  });

  it('refuses a handle that went through JSON, and one without its arena', () => {
    const copy = JSON.parse(JSON.stringify(handle)) as SharedCounter;
    expect(thrown(() => CounterTree.attach(copy))).toEqual(typeError('shared', 'memory'));
    refuses(withField('arena'), [undefined, null, 1, {}, arena, handle], typeError('shared'));
  });

  it('refuses a place that is none', () => {
    refuses(withField('slot'), [undefined, null, '0', 0n, {}], typeError('shared.slot'));
    refuses(withField('slot'), [-1, 2, 3, 2 ** 31, 0.5, Number.NaN], rangeError('shared.slot'));
    refuses(withField('generation'), [undefined, null, '1', 1n, {}], typeError('shared.generation'));
    refuses(withField('generation'), [1.5, 2 ** 31, -(2 ** 31) - 1, Number.NaN], rangeError('shared.generation'));
    // An even generation is a free slot's; no handle ever had one.
    refuses(withField('generation'), [0, handle.generation + 1, -2], rangeError('shared'));
  });

  it('refuses a counter that is no more, or was never there', () => {
    refuses(withField('generation'), [handle.generation + 2, handle.generation - 2, -1], destroyed);
    refuses(withField('slot'), [1], destroyed);
    const gone = new CounterTree({ arena });
    const shared = gone.share();
    gone.destroy();
    expect(thrown(() => CounterTree.attach(shared))).toEqual(destroyed);
  });

  it('refuses a place in a chunk that does not exist yet', () => {
    const large = new CounterArena({ cpus: 3, capacity: 20_000, engine });
    const only = new CounterTree({ arena: large });
    expect(thrown(() => CounterTree.attach({ ...only.share(), slot: 19_999 }))).toEqual(rangeError('shared'));
    only.destroy();
  });
});
