import { describe, expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { ExistingState } from '../../lib/counter/internals.js';
import { Mm } from '../../lib/mm/mm.js';

describe('ExistingState', () => {
  it('gives the state to the constructor that construct() calls, and to no later one', () => {
    const existing = new ExistingState<string>();
    const found = existing.construct('state', () => [existing.take(), existing.take()]);
    expect(found).toEqual(['state', undefined]);
    expect(existing.take()).toBeUndefined();
  });

  it('forgets the state when the constructor throws before it takes it', () => {
    const existing = new ExistingState<string>();
    expect(() =>
      existing.construct('state', () => {
        throw new RangeError('Maximum call stack size exceeded');
      }),
    ).toThrow(RangeError);
    expect(existing.take()).toBeUndefined();
  });
});

describe('constructors of public classes', () => {
  it('make an object of their own after an attach, and after one that failed', () => {
    const arena = new CounterArena({ cpus: 4, capacity: 16 });
    const shared = new CounterTree({ arena, initial: 1 }).share();
    CounterTree.attach(shared);
    expect(() => CounterTree.attach({ ...shared, generation: shared.generation + 2 })).toThrow();
    const own = new CounterTree({ arena, initial: 2 });
    expect(own.preciseSum()).toBe(2);
    expect(own.share().slot).not.toBe(shared.slot);

    Mm.attach(new Mm({ arena, name: 'shared' }).share());
    expect(new Mm({ arena, name: 'own' }).name).toBe('own');

    CounterArena.attach(arena.share());
    expect(new CounterArena({ cpus: 4, capacity: 16 }).share().arenaId).not.toBe(arena.share().arenaId);
  });
});
