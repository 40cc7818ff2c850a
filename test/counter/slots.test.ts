import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arenaInternals, CounterArena } from '../../lib/counter/arena.js';
import { ArenaMemory } from '../../lib/counter/arena-memory.js';
import { CounterTree, counterInternals } from '../../lib/counter/counter-tree.js';
import { Descriptor } from '../../lib/counter/layout.js';
import { REST_MS, SlotAllocator } from '../../lib/counter/slots.js';
import { FakeClock } from '../support/fake-clock.js';
import { percpuError, thrown } from '../support/thrown.js';
import { slotOf } from '../support/tree-model.js';

const full = percpuError('ERR_ARENA_FULL', 'no room');

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock().install();
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('the memory of a destroyed counter', () => {
  it('is used again at once where no other thread has known it', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    for (let i = 0; i < 10; i++) new CounterTree({ arena }).destroy();
    expect(clock.sleptMs).toBe(0);
  });

  it('rests where another thread may have known it, and others are taken meanwhile', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 3 });
    const [first, second] = CounterTree.createMany(2, { arena });
    first!.share();
    first!.destroy();
    second!.destroy();
    expect(slotOf(new CounterTree({ arena }))).toBe(1);
    expect(slotOf(new CounterTree({ arena }))).toBe(2);
    expect(clock.sleptMs).toBe(0);
    clock.ms += REST_MS;
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
    expect(clock.sleptMs).toBe(0);
  });

  it('is waited for where there is no other', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    const counter = new CounterTree({ arena });
    counter.share();
    clock.ms += 400;
    counter.destroy();
    clock.ms += 300;
    expect(new CounterTree({ arena, initial: 3 }).preciseSum()).toBe(3);
    expect(clock.sleptMs).toBeGreaterThanOrEqual(REST_MS - 300 - 1);
    expect(clock.sleptMs).toBeLessThanOrEqual(REST_MS);
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
  });

  it('is waited for as a whole run, whose parts were given back one after another', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 2 });
    const counters = CounterTree.createMany(2, { arena });
    for (const counter of counters) counter.share();
    counters[0]!.destroy();
    clock.ms += 300;
    counters[1]!.destroy();
    expect(CounterTree.createMany(2, { arena })).toHaveLength(2);
    expect(arena.size).toBe(2);
  });

  it('is used again although the clock has wrapped around in between', () => {
    clock.ms = 2 ** 31 - 200;
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    const counter = new CounterTree({ arena });
    counter.share();
    counter.destroy();
    clock.ms += REST_MS;
    expect(new CounterTree({ arena }).preciseSum()).toBe(0);
    expect(clock.sleptMs).toBeLessThanOrEqual(2);
  });

  it('is not used again while a native run has it pinned', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    const counter = new CounterTree({ arena });
    const { arena: internals, descriptor } = counterInternals(counter);
    const pins = descriptor / 4 + Descriptor.PINS;
    Atomics.add(internals.memory.words, pins, 1);
    counter.destroy();
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
    Atomics.sub(internals.memory.words, pins, 1);
    expect(new CounterTree({ arena }).preciseSum()).toBe(0);
  });
});

describe('another thread', () => {
  /** An arena of two chunks, and a second view of its memory as another thread has one. */
  function twoThreads() {
    const arena = new CounterArena({ cpus: 2, capacity: 16_384 });
    const { memory, layout, engine } = arenaInternals(arena);
    const other = new SlotAllocator(new ArenaMemory(memory.shareable), layout, engine, () => {});
    return { arena, memory, layout, engine, other };
  }

  it('that adds the last chunk while this one searches leaves room for this one', () => {
    const { arena, memory, layout, engine, other } = twoThreads();
    expect(layout.maxChunks).toBe(2);
    CounterTree.createMany(8_192, { arena });
    // This thread's own view of the memory. It searches from the first slot that may be free, then from the beginning;
    // when it has looked how many chunks there are for that, the other thread adds the last one and takes a slot of it.
    const view = new ArenaMemory(memory.shareable);
    let searches = 0;
    const interrupted = new Proxy(view, {
      get(target, property) {
        if (property !== 'ensure') return Reflect.get(target, property, target);
        return (bytes: number) => {
          target.ensure(bytes);
          if (++searches === 2) other.claim(1, 32);
        };
      },
    });
    const allocator = new SlotAllocator(interrupted, layout, engine, () => {});
    let slot: number | undefined;
    expect(thrown(() => (slot = allocator.claim(1, 32)))).toBe('nothing thrown');
    expect(slot).toBe(8_193);
    expect(arena.size).toBe(8_194);
  });

  it('that grows the memory is followed', () => {
    const { arena, other } = twoThreads();
    expect(other.claim(8_192, 32)).toBe(0);
    expect(other.claim(1, 32)).toBe(8_192);
    expect(arena.size).toBe(8_193);
    const counter = new CounterTree({ arena, initial: 1 });
    expect(slotOf(counter)).toBe(8_193);
    counter.add(1);
    expect(counter.preciseSum()).toBe(2);
  });

  it('that destroys the same counter: one of the two does', () => {
    const { arena, other } = twoThreads();
    const counter = new CounterTree({ arena });
    const { slot, generation } = counterInternals(counter);
    expect(other.exists(slot)).toBe(true);
    expect(other.release(slot, generation)).toBe(true);
    expect(other.release(slot, generation)).toBe(false);
    counter.destroy();
    expect(arena.size).toBe(0);
  });
});
