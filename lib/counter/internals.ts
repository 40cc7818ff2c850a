import type { CounterArena } from './arena.js';
import type { ArenaMemory } from './arena-memory.js';
import type { CounterTree } from './counter-tree.js';
import type { CounterEngine } from './engine.js';
import type { ArenaLayout } from './layout.js';
import type { SlotAllocator } from './slots.js';

// How the library reaches what its public classes keep private, and makes their objects around state that exists already.
// Neither shows in a published type.

/** What the library needs of an arena and a user does not. */
export interface ArenaInternals {
  readonly memory: ArenaMemory;
  readonly layout: ArenaLayout;
  readonly engine: CounterEngine;
  readonly slots: SlotAllocator;
}

/** What native code needs to work on a counter. */
export interface CounterInternals {
  readonly arena: ArenaInternals;
  readonly slot: number;
  readonly descriptor: number;
  readonly generation: number;
}

export let arenaInternals: (arena: CounterArena) => ArenaInternals;
/** @throws PercpuError `ERR_DESTROYED`. */
export let counterInternals: (counter: CounterTree) => CounterInternals;

/** For the static block of CounterArena alone. */
export function openArenas(open: typeof arenaInternals): void {
  arenaInternals = open;
}

/** For the static block of CounterTree alone. */
export function openCounters(open: typeof counterInternals): void {
  counterInternals = open;
}

/**
 * Hands existing state to the constructor of a public class, past the constructor's arguments. The constructor calls
 * `take()` first, before it looks at its options: no code of a user runs between `construct()` and `take()`.
 */
export class ExistingState<State> {
  #state: State | undefined;

  construct<T>(state: State, make: () => T): T {
    this.#state = state;
    try {
      return make();
    } finally {
      // A stack overflow in make() can come before take().
      this.#state = undefined;
    }
  }

  /** @returns the state of the object that `construct()` is making; `undefined` where a user called the constructor. */
  take(): State | undefined {
    const state = this.#state;
    this.#state = undefined;
    return state;
  }
}
