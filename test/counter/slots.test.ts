import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { ArenaMemory } from '../../lib/counter/arena-memory.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals, counterInternals } from '../../lib/counter/internals.js';
import { Descriptor, slotAddresses } from '../../lib/counter/layout.js';
import { QUARANTINE_MS, SlotAllocator } from '../../lib/counter/slots.js';
import type { PercpuError } from '../../lib/errors.js';
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

/** `retryAfterMs` of what is thrown. */
function retryAfter(run: () => unknown): number | undefined {
  try {
    run();
  } catch (error) {
    return (error as PercpuError).retryAfterMs;
  }
  throw new Error('nothing thrown');
}

describe('the memory of a destroyed counter', () => {
  it('is used again at once where no other thread has known it', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    for (let i = 0; i < 10; i++) new CounterTree({ arena }).destroy();
    expect(clock.sleptMs).toBe(0);
  });

  it('is quarantined where another thread may have known it, and others are taken first', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 3 });
    const [first, second] = CounterTree.createMany(2, { arena });
    first!.share();
    first!.destroy();
    second!.destroy();
    expect(slotOf(new CounterTree({ arena }))).toBe(1);
    expect(slotOf(new CounterTree({ arena }))).toBe(2);
    expect(clock.sleptMs).toBe(0);
    clock.ms += QUARANTINE_MS;
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
    expect(clock.sleptMs).toBe(0);
  });

  it('is not waited for where there is no other: the error tells when it is usable', () => {
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    const counter = new CounterTree({ arena });
    counter.share();
    clock.ms += 400;
    counter.destroy();
    clock.ms += 300;
    expect(thrown(() => new CounterTree({ arena }))).toEqual(
      percpuError('ERR_ARENA_FULL', '0 of 1 are live', '700 ms'),
    );
    const left = retryAfter(() => new CounterTree({ arena }))!;
    expect(left).toBeGreaterThanOrEqual(QUARANTINE_MS - 300 - 1);
    expect(left).toBeLessThanOrEqual(QUARANTINE_MS - 300 + 1);
    expect(clock.sleptMs).toBe(0);
    clock.ms += left;
    expect(new CounterTree({ arena, initial: 3 }).preciseSum()).toBe(3);
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
    expect(retryAfter(() => new CounterTree({ arena }))).toBeUndefined();
  });

  it('is used again although the clock has wrapped around in between', () => {
    clock.ms = 2 ** 31 - 200;
    const arena = new CounterArena({ cpus: 2, capacity: 1 });
    const counter = new CounterTree({ arena });
    counter.share();
    counter.destroy();
    clock.ms += QUARANTINE_MS - 100;
    expect(retryAfter(() => new CounterTree({ arena }))).toBeLessThanOrEqual(101);
    clock.ms += 101;
    expect(new CounterTree({ arena }).preciseSum()).toBe(0);
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
  /** An arena, two chunks large by default, and a second view of its memory as another thread has one. */
  function twoThreads(capacity = 16_384) {
    const arena = new CounterArena({ cpus: 2, capacity });
    const { memory, layout, engine } = arenaInternals(arena);
    const allocatorOn = (view: ArenaMemory) => new SlotAllocator(view, layout, engine, () => {});
    /** This thread, interrupted when it has looked how much memory there is, and is about to search it. */
    const interrupted = (meanwhile: (search: number) => void) => {
      let searches = 0;
      const view = new ArenaMemory(memory.shareable);
      const handler: ProxyHandler<ArenaMemory> = {
        get(target, property) {
          if (property !== 'ensure') return Reflect.get(target, property, target);
          return (bytes: number) => {
            target.ensure(bytes);
            meanwhile(++searches);
          };
        },
      };
      return allocatorOn(new Proxy(view, handler));
    };
    return { arena, layout, interrupted, other: allocatorOn(new ArenaMemory(memory.shareable)) };
  }

  it.each([1, 2])('that adds the last chunk during search %i leaves room for this one', (interruption) => {
    const { arena, layout, interrupted, other } = twoThreads();
    expect(layout.maxChunks).toBe(2);
    CounterTree.createMany(8_192, { arena });
    const allocator = interrupted((search) => {
      if (search === interruption) other.claim(1, 32);
    });
    let slot: number | undefined;
    expect(thrown(() => (slot = allocator.claim(1, 32)))).toBe('nothing thrown');
    expect(slot).toBe(8_193);
    expect(arena.size).toBe(8_194);
  });

  it('that destroys a shared counter while this one searches does not cut its quarantine short', () => {
    const { arena, interrupted, other } = twoThreads(1);
    const counter = new CounterTree({ arena });
    counter.share();
    const { slot, generation } = counterInternals(counter);
    const allocator = interrupted((search) => {
      if (search > 1) return;
      clock.ms += 10;
      expect(other.exists(slot) && other.release(slot, generation)).toBe(true);
    });
    expect(retryAfter(() => allocator.claim(1, 32))).toBe(QUARANTINE_MS);
    clock.ms += QUARANTINE_MS;
    expect(allocator.claim(1, 32)).toBe(slot);
  });

  /** This thread, interrupted when it has looked at a free slot and is about to claim it. */
  const interruptedAtClaim = (slotDescriptor: number, meanwhile: () => void) => {
    const original = Atomics.compareExchange as (...args: unknown[]) => unknown;
    const spy = vi.spyOn(Atomics, 'compareExchange').mockImplementation(((...args: unknown[]) => {
      if (args[0] instanceof Int32Array && args[1] === slotDescriptor + Descriptor.OWNER && args[2] === 0) {
        spy.mockRestore();
        meanwhile();
      }
      return original(...args);
    }) as never);
  };

  it('that uses up the slot this one is about to claim leaves it quarantined', () => {
    const { arena, layout, other } = twoThreads(1);
    new CounterTree({ arena }).destroy();
    const at = slotAddresses(layout, 0).descriptor / 4;
    interruptedAtClaim(at, () => {
      const slot = other.claim(1, 32);
      const generation = other.generation(slot);
      expect([other.markShared(slot, generation), other.release(slot, generation)]).toEqual([true, true]);
    });
    expect(retryAfter(() => new CounterTree({ arena }))).toBe(QUARANTINE_MS);
    expect(Atomics.load(arenaInternals(arena).memory.words, at + Descriptor.OWNER)).toBe(0);
    clock.ms += QUARANTINE_MS;
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
  });

  it('that uses up the slot this one is about to claim leaves it pinned by a native run', () => {
    const { arena, layout, other } = twoThreads(1);
    new CounterTree({ arena }).destroy();
    const at = slotAddresses(layout, 0).descriptor / 4;
    const { words } = arenaInternals(arena).memory;
    interruptedAtClaim(at, () => {
      const slot = other.claim(1, 32);
      Atomics.add(words, at + Descriptor.PINS, 1);
      other.release(slot, other.generation(slot));
    });
    expect(retryAfter(() => new CounterTree({ arena }))).toBe(10);
    Atomics.sub(words, at + Descriptor.PINS, 1);
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
  });

  /** An arena with that many free slots, and what a thread leaves that is claiming some of them. */
  function rivalAmong(capacity: number) {
    const { arena, layout } = twoThreads(capacity);
    for (const counter of CounterTree.createMany(capacity, { arena })) counter.destroy();
    const { words } = arenaInternals(arena).memory;
    const descriptor = (slot: number) => slotAddresses(layout, slot).descriptor / 4;
    return {
      arena,
      claim: (slot: number) => Atomics.store(words, descriptor(slot) + Descriptor.OWNER, 77),
      giveUp: (slot: number) => Atomics.store(words, descriptor(slot) + Descriptor.OWNER, 0),
      publish: (slot: number) => Atomics.add(words, descriptor(slot) + Descriptor.GENERATION, 1),
    };
  }

  /** What another thread does once this one has waited that long. */
  const afterWaiting = (ms: number, run: () => void) => {
    clock.onSleep = () => {
      if (clock.sleptMs < ms) return;
      clock.onSleep = () => {};
      run();
    };
  };

  it('that claims the only slot is waited for, and gives it up', () => {
    const { arena, claim, giveUp } = rivalAmong(1);
    claim(0);
    afterWaiting(20, () => giveUp(0));
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
    expect(clock.sleptMs).toBeGreaterThanOrEqual(20);
    expect(clock.sleptMs).toBeLessThanOrEqual(100);
  });

  it('that claims one of a run is waited for, with the others claimed', () => {
    const { arena, claim, giveUp } = rivalAmong(4);
    claim(3);
    afterWaiting(20, () => giveUp(3));
    expect(CounterTree.createMany(4, { arena }).map(slotOf)).toEqual([0, 1, 2, 3]);
  });

  it('that claims the only slot is waited for, and makes a counter', () => {
    const { arena, claim, publish } = rivalAmong(1);
    claim(0);
    afterWaiting(20, () => publish(0));
    expect(thrown(() => new CounterTree({ arena }))).toEqual(percpuError('ERR_ARENA_FULL', '1 of 1 are live'));
    expect(clock.sleptMs).toBeLessThan(100);
  });

  it.each([1, 512])('that never goes on with its %d slots is waited for a tenth of a second in all', (capacity) => {
    const { arena, claim, giveUp } = rivalAmong(capacity);
    const slots = Array.from({ length: capacity }, (_, slot) => slot);
    slots.forEach(claim);
    // Ends a wait without a bound.
    afterWaiting(1_000, () => slots.forEach(giveUp));
    expect(retryAfter(() => new CounterTree({ arena }))).toBe(10);
    expect(clock.sleptMs).toBeGreaterThanOrEqual(90);
    expect(clock.sleptMs).toBeLessThanOrEqual(101);
  });

  it('that did not go on during one claim is waited for by the next one', () => {
    const { arena, claim, giveUp } = rivalAmong(1);
    claim(0);
    expect(thrown(() => new CounterTree({ arena }))).toEqual(full);
    const before = clock.sleptMs;
    afterWaiting(before + 20, () => giveUp(0));
    expect(slotOf(new CounterTree({ arena }))).toBe(0);
    expect(clock.sleptMs).toBeGreaterThanOrEqual(before + 20);
  });

  it('that claims one slot is passed by where there are others', () => {
    const { arena, claim } = rivalAmong(4);
    claim(0);
    expect(CounterTree.createMany(2, { arena }).map(slotOf)).toEqual([2, 3]);
    expect(clock.sleptMs).toBe(0);
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
