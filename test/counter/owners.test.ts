import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { arenaInternals } from '../../lib/counter/internals.js';
import { Header, OWNER_RECORD_BYTES, OWNER_RECORDS, OwnerRecord } from '../../lib/counter/layout.js';
import { ArenaOwners } from '../../lib/counter/owners.js';
import { SlotAllocator } from '../../lib/counter/slots.js';

// Several threads in one: which of them runs, and which have ended, is up to the test.
const threads = vi.hoisted(() => ({ running: 1n, ended: new Set<bigint>() }));
vi.mock('../../lib/counter/thread-identity.js', () => ({
  ownIdentity: () => threads.running,
  isThreadGone: (identity: bigint) => identity !== threads.running && threads.ended.has(identity),
}));

let lastThread = 1n;
/** Runs as a thread of its own. */
function asThread<T>(run: (identity: bigint) => T): T {
  const before = threads.running;
  threads.running = ++lastThread;
  try {
    return run(threads.running);
  } finally {
    threads.running = before;
  }
}

let internals: ReturnType<typeof arenaInternals>;
beforeEach(() => {
  threads.running = 1n;
  internals = arenaInternals(new CounterArena({ cpus: 2, capacity: 512, engine: 'ts' }));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const owners = () => new ArenaOwners(internals.memory, internals.layout);
const noRoom = () => {
  throw new Error('there are free records');
};
const addressOf = (index: number) => internals.layout.ownersOffset + index * OWNER_RECORD_BYTES;

/** The words of a record. */
function recordOf(token: number): { identity: bigint; token: number } {
  const address = addressOf(token % OWNER_RECORDS);
  const { words, longs } = internals.memory;
  return {
    identity: Atomics.load(longs, (address + OwnerRecord.IDENTITY) / 8),
    token: Atomics.load(words, (address + OwnerRecord.TOKEN) / 4),
  };
}

it('has a complete record before the first slot is claimed with its token', () => {
  const { memory, layout, engine } = internals;
  const allocator = new SlotAllocator(memory, layout, engine, () => {});
  const identity = ++lastThread;
  threads.running = identity;
  const owner = (descriptor: number) => descriptor / 4 + 1;
  const claimed = new Set<string>();
  const original = Atomics.compareExchange as (...args: unknown[]) => unknown;
  vi.spyOn(Atomics, 'compareExchange').mockImplementation(((...args: unknown[]) => {
    const [view, index, expected, token] = args as [Int32Array, number, number, number];
    if (view instanceof Int32Array && index >= owner(layout.firstChunk) && expected === 0) {
      claimed.add(`${token}`);
      expect(recordOf(token)).toEqual({ identity, token });
    }
    return original(...args);
  }) as never);
  allocator.claim(3, 32, 7);
  expect(claimed.size).toBe(1);
});

it('leaves a record of zeros when it has ended, so that the next thread there cannot have its token', () => {
  const token = asThread(() => owners().own(noRoom));
  const { identity } = recordOf(token);
  expect(recordOf(token)).toEqual({ identity: lastThread, token });
  threads.ended.add(identity);
  const given: number[] = [];
  owners().sweep((tokens) => given.push(...tokens));
  expect(given).toEqual([token]);
  expect(recordOf(token)).toEqual({ identity: 0n, token: 0 });

  // A thread that takes the record, and is interrupted by a full stack before it has stored its own token.
  const { longs } = internals.memory;
  const next = ++lastThread;
  threads.running = next;
  expect(Atomics.compareExchange(longs, (addressOf(token % OWNER_RECORDS) + OwnerRecord.IDENTITY) / 8, 0n, next)).toBe(
    0n,
  );
  const later = owners().own(noRoom);
  // The earlier one's may be about to be given back by a thread that has read it before.
  expect(later).not.toBe(token);
  expect(recordOf(later)).toEqual({ identity: next, token: later });
});

it('leaves a record of zeros when it says itself that it ends', () => {
  const own = owners();
  const token = own.own(noRoom);
  const given: number[] = [];
  own.leave((tokens) => given.push(...tokens));
  expect(given).toEqual([token]);
  expect(recordOf(token)).toEqual({ identity: 0n, token: 0 });
});

it('that ended between its identity and its token leaves a record that is cleared', () => {
  const { words, longs } = internals.memory;
  const dead = ++lastThread;
  threads.ended.add(dead);
  Atomics.store(words, Header.LAST_OWNER, 5);
  Atomics.store(longs, addressOf(5) / 8, dead);
  const given: number[] = [];
  owners().sweep((tokens) => given.push(...tokens));
  // The token 0 is that of free slots, of which none is given back.
  expect(given).toEqual([0]);
  expect(recordOf(5)).toEqual({ identity: 0n, token: 0 });
});

it('keeps its record until its slots are given back, though the sweep is interrupted', () => {
  const token = asThread(() => owners().own(noRoom));
  const { identity } = recordOf(token);
  threads.ended.add(identity);
  expect(() =>
    owners().sweep(() => {
      expect(recordOf(token)).toEqual({ identity, token });
      throw new Error('terminated');
    }),
  ).toThrow('terminated');
  expect(recordOf(token)).toEqual({ identity, token });
});
