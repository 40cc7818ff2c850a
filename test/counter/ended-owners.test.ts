import { afterEach, describe, expect, it, vi } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { ArenaMemory } from '../../lib/counter/arena-memory.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals } from '../../lib/counter/internals.js';
import { Header, OWNER_RECORDS } from '../../lib/counter/layout.js';
import { SlotAllocator } from '../../lib/counter/slots.js';

// Several threads in one: which of them runs, and which have ended, is up to the test.
const threads = vi.hoisted(() => ({ running: 1n, ended: new Set<bigint>() }));
vi.mock('../../lib/counter/thread-identity.js', () => ({
  ownIdentity: () => threads.running,
  isThreadGone: (identity: bigint) => identity !== threads.running && threads.ended.has(identity),
}));

afterEach(() => {
  vi.restoreAllMocks();
  threads.running = 1n;
});

let lastThread = 1n;

class Terminated extends Error {}

const OPERATIONS = ['load', 'store', 'add', 'sub', 'compareExchange'] as const;

/** Runs as another thread that is terminated before or after its nth access to shared words. @returns whether it was. */
function terminatedAt(n: number, run: () => void): boolean {
  let accesses = 0;
  threads.running = ++lastThread;
  for (const name of OPERATIONS) {
    const original = Atomics[name] as (...args: unknown[]) => unknown;
    vi.spyOn(Atomics, name).mockImplementation(((...args: unknown[]) => {
      // What is terminated runs nothing more, clean-up blocks included.
      if (accesses >= n) throw new Terminated();
      accesses++;
      return original(...args);
    }) as never);
  }
  try {
    run();
    return false;
  } catch (error) {
    if (!(error instanceof Terminated)) throw error;
    return true;
  } finally {
    vi.restoreAllMocks();
    threads.ended.add(threads.running);
    threads.running = 1n;
  }
}

const CAPACITY = 512;

function arenaOfTwo() {
  const arena = new CounterArena({ cpus: 2, capacity: CAPACITY, engine: 'ts' });
  const { memory, layout, engine } = arenaInternals(arena);
  const anotherThread = () => new SlotAllocator(new ArenaMemory(memory.shareable), layout, engine, () => {});
  return { arena, anotherThread };
}

/** What the arena must be like after a thread ended at any point, whatever it did. */
function expectNothingLost(arena: CounterArena, own: readonly CounterTree[], shared: number, message: string): void {
  expect(arena.size, message).toBe(own.length + shared);
  expect(
    own.map((counter) => counter.preciseSum()),
    message,
  ).toEqual(own.map((_, i) => i + 1));
  const rest = Array.from({ length: CAPACITY - own.length - shared }, () => new CounterTree({ arena }));
  expect(arena.size, message).toBe(CAPACITY);
  expect(
    rest.every((counter) => counter.preciseSum() === 0 && counter.approximateSum() === 0),
    message,
  ).toBe(true);
  expect(
    own.map((counter) => counter.preciseSum()),
    message,
  ).toEqual(own.map((_, i) => i + 1));
}

describe('a thread that is terminated between any two accesses to shared words', () => {
  const acts: Record<string, (allocator: SlotAllocator) => void> = {
    'claims in a fresh arena': (allocator) => void allocator.claim(5, 32, 9),
    'claims, destroys, claims again': (allocator) => {
      const slot = allocator.claim(3, 32, 9);
      for (let i = 0; i < 3; i++) allocator.release(slot + i, allocator.generation(slot + i));
      allocator.claim(4, 2, -9);
    },
    'looks for room': (allocator) => allocator.requireRoom([20]),
    'counts what is live': (allocator) => void allocator.live,
    'gives back what another one left': (allocator) => {
      const next = allocator.claim(2, 32, 1);
      allocator.release(next, allocator.generation(next));
    },
  };

  it.each(Object.entries(acts))('%s', (_, act) => {
    let points = 0;
    for (let n = 0; ; n++) {
      const { arena, anotherThread } = arenaOfTwo();
      const own = [1, 2, 3].map((initial) => new CounterTree({ arena, initial }));
      // One has ended before, so that there is something to give back.
      terminatedAt(Number.POSITIVE_INFINITY, () => anotherThread().claim(2, 32, 5));
      const cut = terminatedAt(n, () => act(anotherThread()));
      expectNothingLost(arena, own, 0, `after ${n} accesses`);
      if (!cut) break;
      points++;
    }
    expect(points).toBeGreaterThan(5);
  });

  it('shares: the counter lives on or ends, and is not lost', () => {
    for (let n = 0, cut = true; cut; n++) {
      const { arena, anotherThread } = arenaOfTwo();
      const own = [new CounterTree({ arena, initial: 1 })];
      const allocator = anotherThread();
      let shared = false;
      cut = terminatedAt(n, () => {
        const slot = allocator.claim(1, 32, 9);
        shared = allocator.markShared(slot, allocator.generation(slot));
      });
      const live = arena.size;
      if (shared) expect(live).toBe(2);
      expectNothingLost(arena, own, live - 1, `after ${n} accesses`);
    }
  });

  it('destroys what another one owns: gone or there, and claimable once', () => {
    for (let n = 0, cut = true; cut; n++) {
      const { arena, anotherThread } = arenaOfTwo();
      const counter = new CounterTree({ arena, initial: 1 });
      const allocator = anotherThread();
      cut = terminatedAt(n, () => void (allocator.exists(0) && allocator.release(0, 1)));
      expectNothingLost(arena, arena.size === 1 ? [counter] : [], 0, `after ${n} accesses`);
    }
  });
});

describe('owners', () => {
  it('that live keep their counters, however full the arena is', () => {
    const { arena, anotherThread } = arenaOfTwo();
    threads.running = ++lastThread;
    const other = anotherThread();
    const slot = other.claim(10, 32, 4);
    const rival = threads.running;
    threads.running = 1n;
    expect(() => CounterTree.createMany(CAPACITY, { arena })).toThrow('10 of 512 are live');
    expect(other.generation(slot)).toBe(1);
    threads.ended.add(rival);
    expect(CounterTree.createMany(CAPACITY, { arena })).toHaveLength(CAPACITY);
  });

  it('a sweep that was interrupted frees nothing of a later owner at the same record', () => {
    const { arena, anotherThread } = arenaOfTwo();
    const { memory } = arenaInternals(arena);
    const { words } = memory;
    const first = lastThread + 1n;
    terminatedAt(Number.POSITIVE_INFINITY, () => anotherThread().claim(1, 32, 5));
    const slow = anotherThread();
    // The slow sweeper has read who ended; before its first slot another one sweeps, and a new owner takes the record.
    let later: CounterTree | undefined;
    const ensure = vi.spyOn(ArenaMemory.prototype, 'ensure').mockImplementation(function (this: ArenaMemory, bytes) {
      ensure.mockRestore();
      this.ensure(bytes);
      expect(arena.size).toBe(0);
      Atomics.store(words, Header.LAST_OWNER, Atomics.load(words, Header.LAST_OWNER) + OWNER_RECORDS - 1);
      later = new CounterTree({ arena, initial: 8 });
    });
    expect(slow.live).toBe(1);
    expect(threads.ended.has(first)).toBe(true);
    expect(later?.preciseSum()).toBe(8);
    expect(arena.size).toBe(1);
  });

  it('beyond the records there are: their counters stay, and everything else works', () => {
    const { arena, anotherThread } = arenaOfTwo();
    const living: bigint[] = [];
    for (let i = 0; i < OWNER_RECORDS; i++) {
      threads.running = ++lastThread;
      living.push(lastThread);
      anotherThread().requireRoom([1]);
    }
    terminatedAt(Number.POSITIVE_INFINITY, () => anotherThread().claim(1, 32, 5));
    expect(arena.size).toBe(1);
    threads.ended.add(living[0]!);
    // A record is free again: the next one has an owner.
    terminatedAt(Number.POSITIVE_INFINITY, () => anotherThread().claim(1, 32, 5));
    expect(arena.size).toBe(1);
  });

  it('keep their record when they let go of an arena and attach it again', () => {
    const { arena, anotherThread } = arenaOfTwo();
    const { words } = arenaInternals(arena).memory;
    for (let i = 0; i < OWNER_RECORDS + 2; i++) {
      const again = anotherThread();
      const slot = again.claim(1, 32);
      again.release(slot, again.generation(slot));
    }
    expect(Atomics.load(words, Header.LAST_OWNER)).toBe(1);
    terminatedAt(Number.POSITIVE_INFINITY, () => anotherThread().claim(1, 32, 5));
    expect(arena.size).toBe(0);
  });

  it('beyond the records there are use up no tokens', () => {
    const { arena, anotherThread } = arenaOfTwo();
    const { words } = arenaInternals(arena).memory;
    for (let i = 0; i < OWNER_RECORDS; i++) {
      threads.running = ++lastThread;
      anotherThread().requireRoom([1]);
    }
    const last = Atomics.load(words, Header.LAST_OWNER);
    threads.running = ++lastThread;
    const beyond = anotherThread();
    for (let i = 0; i < 5; i++) beyond.requireRoom([1]);
    expect(Atomics.load(words, Header.LAST_OWNER)).toBe(last);
  });
});
