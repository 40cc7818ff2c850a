import type { ArenaMemory } from './arena-memory.js';
import type { ArenaLayout } from './layout.js';

/** Names of the engines a user can ask for. */
export type EngineName = 'wasm' | 'ts';

/**
 * The arithmetic of the counter tree over an arena's memory, for one thread. All engines work on the same memory at the
 * same time. `descriptor` is the byte offset of a counter's descriptor; the counter is alive while its slot has
 * `generation`.
 */
export interface CounterEngine {
  readonly name: EngineName | 'native';
  /**
   * Adds a 32-bit integer to the leaf of `cpu` and carries upwards: what a hot loop calls. CPU numbers from 8192 on share
   * leaves.
   *
   * @returns 0; or 1 when the counter was destroyed and nothing was added.
   */
  add(descriptor: number, generation: number, cpu: number, delta: number): number;
  /**
   * Adds any safe integer. CPU numbers beyond the shape share leaves.
   *
   * @throws PercpuError `ERR_DESTROYED`, as the sums below do; nothing is changed then.
   */
  addOn(descriptor: number, generation: number, cpu: number, delta: number): void;
  /** @returns root + bias, rounded to a double when it is not a safe integer. */
  approximateSum(descriptor: number, generation: number): number;
  /** @returns sum of leaves + bias, rounded to a double when it is not a safe integer. */
  preciseSum(descriptor: number, generation: number): number;
  /** The same sums modulo 2^64; the caller knows that the counter is alive. */
  approximateSumBigInt(descriptor: number): bigint;
  preciseSumBigInt(descriptor: number): bigint;
  leaf(descriptor: number, cpu: number): bigint;
  /** Changes the bias so that the precise sum is `value`. */
  set(descriptor: number, value: number): void;
  /** Zeroes leaves, items, root and bias of a slot that only the caller uses. */
  clear(descriptor: number, itemLines: number): void;
}

export type EngineFactory = (memory: ArenaMemory, layout: ArenaLayout) => CounterEngine;
