import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { CounterTree, type SharedCounter } from '../../lib/counter/counter-tree.js';
import { QUARANTINE_MS } from '../../lib/counter/slots.js';
import { describeEngines, type TestEngine } from '../support/engines.js';
import { FakeClock } from '../support/fake-clock.js';
import { seeded } from '../support/random.js';
import { destroyed, percpuError, thrown } from '../support/thrown.js';
import { itemsInMemory, slotOf, TreeModel } from '../support/tree-model.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const CPUS = 3;
const BATCH = 4;
const full = percpuError('ERR_ARENA_FULL', 'no room');

/** `which` chooses among the live counters, or among all handles there ever were. */
const operation = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('create'),
      initial: fc.integer({ min: -5, max: 5 }),
      share: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('createMany'),
      count: fc.integer({ min: 1, max: 9 }),
      share: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('destroy'), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('share'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('attach'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add'), which: fc.nat(), cpu: fc.nat(2) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What the arena should hold, kept beside it. */
class Model {
  readonly live: { counter: CounterTree; slot: number; expected: TreeModel; shared: boolean }[] = [];
  readonly handles: { shared: SharedCounter; slot: number; alive: boolean }[] = [];
  /** By slot: when it was given back, if other threads may have known it. */
  readonly quarantinedSince = new Map<number, number>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether so many slots side by side can be had: aligned as runs are, out of quarantine by that time. */
  hasRoomFor(count: number, atMs: number): boolean {
    const alignment = Math.min(8, 2 ** Math.ceil(Math.log2(count)));
    const taken = new Set(this.live.map(({ slot }) => slot));
    const usable = (slot: number) =>
      !taken.has(slot) && atMs - (this.quarantinedSince.get(slot) ?? Number.NEGATIVE_INFINITY) >= QUARANTINE_MS;
    for (let first = 0; first + count <= this.#capacity; first += alignment) {
      if (Array.from({ length: count }, (_, i) => first + i).every(usable)) return true;
    }
    return false;
  }
}

function run(engine: TestEngine, capacity: number, operations: Operation[]): void {
  const clock = new FakeClock().install();
  const arena = engine.arena({ cpus: CPUS, capacity });
  const model = new Model(capacity);

  const share = (one: Model['live'][number]) => {
    one.shared = true;
    model.handles.push({ shared: one.counter.share(), slot: one.slot, alive: true });
  };

  const taken = (counters: CounterTree[], initial: number, shared: boolean) => {
    for (const counter of counters) {
      const slot = slotOf(counter);
      expect(model.live.some((other) => other.slot === slot)).toBe(false);
      expect(slot).toBeLessThan(capacity);
      const since = model.quarantinedSince.get(slot);
      if (since !== undefined) expect(clock.ms - since).toBeGreaterThanOrEqual(QUARANTINE_MS - 1);
      model.quarantinedSince.delete(slot);
      expect(counter.preciseSum()).toBe(initial);
      expect(counter.approximateSum()).toBe(initial);
      expect(counter.leaves()).toEqual([0, 0, 0]);
      expect(itemsInMemory(counter)).toEqual([0n, 0n, 0n]);
      const expected = new TreeModel(CPUS, BATCH);
      expected.set(BigInt(initial));
      const one = { counter, slot, expected, shared: false };
      model.live.push(one);
      if (shared) share(one);
    }
  };

  for (const next of operations) {
    const { live, handles } = model;
    const chosen = 'which' in next ? live[next.which % Math.max(live.length, 1)] : undefined;
    switch (next.kind) {
      case 'create':
      case 'createMany': {
        const count = 'count' in next ? next.count : 1;
        const initial = 'initial' in next ? next.initial : 0;
        const make = () => CounterTree.createMany(count, { arena, initial, batchSize: BATCH });
        const share = 'share' in next && next.share;
        if (model.hasRoomFor(count, clock.ms)) taken(make(), initial, share);
        else {
          expect(thrown(make)).toEqual(full);
          clock.ms += QUARANTINE_MS;
          if (model.hasRoomFor(count, clock.ms)) taken(make(), initial, share);
          else expect(thrown(make)).toEqual(full);
        }
        break;
      }
      case 'destroy':
        if (!chosen) break;
        chosen.counter.destroy();
        chosen.counter.destroy();
        live.splice(live.indexOf(chosen), 1);
        if (chosen.shared) model.quarantinedSince.set(chosen.slot, clock.ms);
        for (const handle of handles) if (handle.slot === chosen.slot) handle.alive = false;
        expect(thrown(() => chosen.counter.add(1))).toEqual(destroyed);
        break;
      case 'share':
        if (chosen) share(chosen);
        break;
      case 'attach': {
        const handle = handles[('which' in next ? next.which : 0) % Math.max(handles.length, 1)];
        if (!handle) break;
        const attach = () => CounterTree.attach(handle.shared);
        if (!handle.alive) expect(thrown(attach)).toEqual(destroyed);
        else expect(slotOf(attach())).toBe(handle.slot);
        break;
      }
      case 'wait':
        clock.ms += 'ms' in next ? next.ms : 0;
        break;
      case 'add':
        if (!chosen) break;
        chosen.counter.addOn('cpu' in next ? next.cpu : 0, 1_001);
        chosen.expected.add('cpu' in next ? next.cpu : 0, 1_001n);
    }
    expect(arena.size).toBe(live.length);
    for (const { counter, expected } of live) {
      expect(counter.preciseSumBigInt()).toBe(expected.precise);
      expect(counter.approximateSumBigInt()).toBe(expected.approximate);
    }
  }
}

describeEngines('any sequence of creating, sharing, attaching and destroying', (engine) => {
  it('hands out no slot twice, counts right, and gives fresh counters', { timeout: 60_000 }, () => {
    const property = fc.property(
      fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 4 })),
      fc.array(operation, { maxLength: 60, size: 'max' }),
      (capacity, operations) => run(engine, capacity, operations),
    );
    fc.assert(property, seeded(100));
  });
});
