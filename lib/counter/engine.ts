import type { ArenaMemory } from './arena-memory.js';
import type { ArenaLayout } from './layout.js';

/** Names of the engines a user can ask for. */
export type EngineName = 'wasm' | 'ts';

/**
 * The arithmetic of the counter tree over an arena's memory, as one thread does it. All engines work on the same
 * memory at the same time. `descriptor` is the byte offset of a counter's descriptor, `generation` the one its slot must
 * have for the counter to be alive.
 */
export interface CounterEngine {
  readonly name: EngineName | 'native';
  /**
   * Adds a 32-bit integer to the leaf that belongs to `cpu` and carries upwards: what a hot loop calls. Any 32-bit number
   * will do for a CPU; from 8192 on they share leaves.
   *
   * @returns 0, or 1 where the counter was destroyed and nothing was added.
   */
  add(descriptor: number, generation: number, cpu: number, delta: number): number;
  /**
   * Adds any safe integer; CPU numbers share leaves from the shape's size on.
   *
   * @throws PercpuError `ERR_DESTROYED`, as the sums below do; nothing is changed then.
   */
  addOn(descriptor: number, generation: number, cpu: number, delta: number): void;
  /** @returns root + bias, rounded to a double where it is no safe integer. */
  approximateSum(descriptor: number, generation: number): number;
  /** @returns sum of leaves + bias, rounded to a double where it is no safe integer. */
  preciseSum(descriptor: number, generation: number): number;
  /** The same sums modulo 2^64, of a counter that the caller knows to be alive. */
  approximateSumBigInt(descriptor: number): bigint;
  preciseSumBigInt(descriptor: number): bigint;
  /** @returns the value of one leaf. */
  leaf(descriptor: number, cpu: number): bigint;
  /** Makes the precise sum `value` through the bias. */
  set(descriptor: number, value: number): void;
  /** Zeroes leaves, items, root and bias of a slot that nobody else uses. */
  clear(descriptor: number, itemLines: number): void;
}

export type EngineFactory = (memory: ArenaMemory, layout: ArenaLayout) => CounterEngine;
