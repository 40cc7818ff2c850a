import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals } from '../../lib/counter/internals.js';
import { Descriptor, slotAddresses } from '../../lib/counter/layout.js';
import { NO_OWNER } from '../../lib/counter/owners.js';
import { FakeClock } from '../support/fake-clock.js';
import { NOT_NUMBERS, percpuError, rangeError, rejected, thrown, typeError } from '../support/thrown.js';

function full(capacity: number): { arena: CounterArena; counters: CounterTree[] } {
  const arena = new CounterArena({ cpus: 2, capacity });
  return { arena, counters: CounterTree.createMany(capacity, { arena }) };
}

it('resolves once quarantined memory can be used, and lets the thread run', async () => {
  const { arena, counters } = full(3);
  for (const counter of counters) counter.share();
  for (const counter of counters) counter.destroy();
  expect(() => CounterTree.createMany(3, { arena })).toThrow('arena.ready(3)');
  let turns = 0;
  const ticking = setInterval(() => turns++, 5);
  await arena.ready(3);
  clearInterval(ticking);
  expect(turns).toBeGreaterThan(10);
  expect(CounterTree.createMany(3, { arena })).toHaveLength(3);
});

it('resolves at once where there is room, and takes none', async () => {
  const arena = new CounterArena({ cpus: 2, capacity: 20_000 });
  await arena.ready(20_000);
  expect(arena.size).toBe(0);
  expect(CounterTree.createMany(20_000, { arena })).toHaveLength(20_000);
});

it('rejects where waiting does not help', async () => {
  const { arena, counters } = full(3);
  expect(await rejected(() => arena.ready())).toEqual(percpuError('ERR_ARENA_FULL', '3 of 3 are live'));
  counters[0]!.share();
  counters[0]!.destroy();
  await arena.ready();
  expect(await rejected(() => arena.ready(2))).toEqual(percpuError('ERR_ARENA_FULL', '2 of 3 are live'));
  expect(await rejected(() => arena.ready(4))).toEqual(percpuError('ERR_ARENA_FULL', '2 of 3 are live'));
});

it('does not wait for more room than the arena can ever have', async () => {
  const { arena, counters } = full(512);
  for (const counter of counters) {
    counter.share();
    counter.destroy();
  }
  // In this order, while the slots are still quarantined: room that will come is no reason to wait for more than there is.
  const hopeless = [thrown(() => CounterTree.createMany(513, { arena })), await rejected(() => arena.ready(513))];
  for (const error of hopeless) {
    expect(error).toEqual(percpuError('ERR_ARENA_FULL', '513 counters side by side: 0 of 512 are live'));
    expect(error).not.toHaveProperty('retryAfterMs');
  }
});

describe('where another thread is claiming the only room', () => {
  let clock: FakeClock;
  let ticking: NodeJS.Timeout;
  beforeEach(() => {
    clock = new FakeClock().install();
  });
  afterEach(() => {
    clearInterval(ticking);
    vi.restoreAllMocks();
  });

  /** An arena whose only slot a thread without a record is claiming, until the clock has moved on by that much. */
  function claimedFor(ms: number): CounterArena {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    new CounterTree({ arena }).destroy();
    const { memory, layout } = arenaInternals(arena);
    const owner = slotAddresses(layout, 0).descriptor / 4 + Descriptor.OWNER;
    Atomics.store(memory.words, owner, NO_OWNER);
    const start = clock.ms;
    ticking = setInterval(() => {
      clock.ms += 250;
      if (clock.ms - start >= ms) Atomics.store(memory.words, owner, 0);
    }, 5);
    return arena;
  }

  it('waits for it without blocking the thread', async () => {
    await claimedFor(3_000).ready();
    expect(clock.sleptMs).toBe(0);
  });

  it('waits no longer than five seconds, in which a thread that lives ends its claim', async () => {
    const start = clock.ms;
    const error = await rejected(() => claimedFor(60_000).ready());
    expect(error).toEqual(percpuError('ERR_ARENA_FULL', 'or were terminated'));
    expect(error).not.toHaveProperty('retryAfterMs');
    expect(clock.ms - start).toBeGreaterThanOrEqual(5_000);
    expect(clock.ms - start).toBeLessThan(60_000);
    expect(clock.sleptMs).toBe(0);
  });

  it('does not count the time in which it waits for a quarantine as well', async () => {
    const arena = new CounterArena({ cpus: 2, capacity: 2 });
    const [first, second] = CounterTree.createMany(2, { arena });
    first!.share();
    first!.destroy();
    second!.destroy();
    const { memory, layout } = arenaInternals(arena);
    const owner = slotAddresses(layout, 1).descriptor / 4 + Descriptor.OWNER;
    Atomics.store(memory.words, owner, NO_OWNER);
    const start = clock.ms;
    ticking = setInterval(() => {
      clock.ms += 250;
      // Quarantined anew each time, as by threads that make, share and destroy counters all the time.
      if (clock.ms - start < 10_000) {
        Atomics.store(memory.words, slotAddresses(layout, 0).descriptor / 4 + Descriptor.QUARANTINED, clock.ms | 1);
      }
    }, 5);
    await arena.ready();
    expect(clock.ms - start).toBeGreaterThanOrEqual(10_000);
  });
});

it('refuses what is no number of counters', async () => {
  const { arena } = full(1);
  for (const count of NOT_NUMBERS) {
    expect(await rejected(() => arena.ready(count as never))).toEqual(typeError('count', 'number'));
  }
  for (const count of [0, -1, 1.5, Number.NaN, 2 ** 20 + 1]) {
    expect(await rejected(() => arena.ready(count))).toEqual(rangeError('count', 'from 1 to 1048576'));
  }
});
