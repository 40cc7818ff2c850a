import { ADDS_PER_GETCPU, threadCpu } from '../cpu/thread-cpu.js';
import { destroyedError, invalidArgType, outOfRange } from '../errors.js';
import { native } from '../native/native.js';
import { requireInteger, requireOptions, requireSafeInteger } from '../validate.js';
import { CounterArena, MAX_COUNTERS_AT_ONCE, requireHandle, runsOf, type SharedArena } from './arena.js';
import type { CounterEngine } from './engine.js';
import { arenaInternals, ExistingState, openCounters } from './internals.js';
import { LAYOUT_VERSION, slotAddresses } from './layout.js';
import { type Accuracy, kernelAccuracy, MAX_BATCH_SIZE, tightSlack } from './tree-shape.js';

export interface CounterTreeOptions {
  /** Step in which leaves carry upwards: a power of two, 2 … 2^30, default 32. A larger one is faster and widens the bounds. */
  batchSize?: number;
  /** First value, a safe integer; default 0. */
  initial?: number;
  /** Where the counter's memory is; default `CounterArena.default`. */
  arena?: CounterArena;
}

/** A counter as a value that `postMessage` and `workerData` carry to other threads of the process. */
export interface SharedCounter {
  readonly type: 'percpu.SharedCounter';
  readonly version: number;
  readonly processId: number;
  readonly arena: SharedArena;
  readonly slot: number;
  readonly generation: number;
}

/** A range of sums, both ends inclusive. */
export interface Bounds {
  min: number;
  max: number;
}

const DEFAULT_BATCH_SIZE = 32;

// Constants of this thread: the optimising compiler then sees an address in add() instead of a chain of objects.
const cpuView = threadCpu.view;
const pollsCpu = threadCpu.source === 'getcpu';
let addsUntilPoll = ADDS_PER_GETCPU;

function pollCpu(): void {
  if (--addsUntilPoll > 0) return;
  addsUntilPoll = ADDS_PER_GETCPU;
  cpuView[0] = native.addon?.currentCpu() ?? 0;
}

interface LiveSlot {
  readonly arena: CounterArena;
  readonly number: number;
  readonly generation: number;
  readonly batchSize: number;
}

const existing = new ExistingState<LiveSlot>();

/** An exact sum: a number if it is a safe integer, else a bigint. The two compare with `<` and `>`. */
type Sum = number | bigint;

/** Largest sum; one more is -2^63. */
const MAX_SUM = 2n ** 63n - 1n;

/**
 * A counter with a leaf for each CPU and a tree above the leaves. Adding is fast. The approximate sum is one read and has
 * guaranteed bounds; the precise sum reads every leaf.
 *
 * Values are exact integers. Internally they have 64 bits and wrap around, like the kernel's. A sum that is not a safe
 * integer is a `RangeError` that names the `…BigInt()` method to call instead.
 *
 * Any thread may add to, read, attach and destroy any counter. Once all adds have returned, `preciseSum()` is exact and lies
 * within `bounds()`. An add in flight may be in the precise sum and not yet in the approximate one.
 *
 * Every method throws a `PercpuError` `ERR_DESTROYED` once any thread has destroyed the counter.
 */
export class CounterTree {
  readonly #arena: CounterArena;
  readonly #engine: CounterEngine;
  /** The engine's `add`, which needs no `this`: saves the hot path one object. */
  readonly #add: CounterEngine['add'];
  // Initialised here so that V8 makes them small-integer fields. Without a first value they would begin as undefined, and
  // every add would check their type.
  readonly #descriptor: number = 0;
  readonly #generation: number = 0;
  readonly #slot: number;
  readonly #cpus: number;
  readonly #slack: number;
  /** Step in which leaves carry upwards: a power of two. */
  readonly batchSize: number;

  static {
    openCounters((counter) => {
      counter.#requireAlive();
      return {
        arena: arenaInternals(counter.#arena),
        slot: counter.#slot,
        descriptor: counter.#descriptor,
        generation: counter.#generation,
      };
    });
  }

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE` (the batch size is not a power of two in
   *   2 … 2^30, the initial value is not a safe integer); PercpuError `ERR_ARENA_FULL`, with `retryAfterMs` if all free
   *   memory is in quarantine after shared counters: `await arena.ready()` waits for it.
   */
  constructor(options?: CounterTreeOptions) {
    const slot = existing.take() ?? claimSlots(1, options)[0]!;
    const { layout, engine } = arenaInternals(slot.arena);
    this.#arena = slot.arena;
    this.#engine = engine;
    this.#add = engine.add;
    this.#descriptor = slotAddresses(layout, slot.number).descriptor;
    this.#generation = slot.generation;
    this.#slot = slot.number;
    this.#cpus = layout.shape.cpus;
    this.#slack = tightSlack(layout.shape, slot.batchSize);
    this.batchSize = slot.batchSize;
  }

  /**
   * Makes several counters that are used together: the leaves of up to eight share one cache line per CPU, and the roots
   * of four share one line.
   *
   * @param count 1 … 2^20.
   * @throws as the constructor; with `ERR_ARENA_FULL` none is made.
   */
  static createMany(count: number, options?: CounterTreeOptions): CounterTree[] {
    requireInteger(count, 'count', { min: 1, max: MAX_COUNTERS_AT_ONCE });
    return claimSlots(count, options).map((slot) => existing.construct(slot, newCounter));
  }

  /**
   * Adds to the leaf of the CPU the calling thread runs on.
   *
   * @param delta a safe integer.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; nothing is added then.
   */
  add(delta: number): void {
    if (pollsCpu) pollCpu();
    if (typeof delta === 'number' && delta === (delta | 0)) {
      if (this.#add(this.#descriptor, this.#generation, cpuView[0]!, delta) !== 0) throw destroyedError();
    } else {
      this.#engine.addOn(this.#descriptor, this.#generation, cpuView[0]!, requireSafeInteger(delta, 'delta'));
    }
  }

  /**
   * Adds to the leaf of a chosen CPU, for simulation, replay and tests.
   *
   * @param cpu 0 … cpus - 1 of the arena's shape.
   * @param delta a safe integer.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; nothing is added then.
   */
  addOn(cpu: number, delta: number): void {
    requireInteger(cpu, 'cpu', { min: 0, max: this.#cpus - 1 });
    requireSafeInteger(delta, 'delta');
    this.#engine.addOn(this.#descriptor, this.#generation, cpu, delta);
  }

  /**
   * The value at the root: one read, for any number of CPUs. It is never above the precise sum; `bounds()` tells how far it
   * can be below.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` if it is not a safe integer.
   */
  approximateSum(): number {
    const sum = this.#engine.approximateSum(this.#descriptor, this.#generation);
    return requireSafeSum(sum, 'approximateSum', 'approximateSumBigInt');
  }

  /**
   * The sum of all leaves: one read per CPU, exact once all adds have returned.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` if it is not a safe integer.
   */
  preciseSum(): number {
    const sum = this.#engine.preciseSum(this.#descriptor, this.#generation);
    return requireSafeSum(sum, 'preciseSum', 'preciseSumBigInt');
  }

  /** As `approximateSum()`, at least 0. */
  approximateSumPositive(): number {
    return Math.max(0, this.approximateSum());
  }

  /** As `preciseSum()`, at least 0. */
  preciseSumPositive(): number {
    return Math.max(0, this.preciseSum());
  }

  /** As `approximateSum()`, for every 64-bit value. */
  approximateSumBigInt(): bigint {
    this.#requireAlive();
    return this.#engine.approximateSumBigInt(this.#descriptor);
  }

  /** As `preciseSum()`, for every 64-bit value. */
  preciseSumBigInt(): bigint {
    this.#requireAlive();
    return this.#engine.preciseSumBigInt(this.#descriptor);
  }

  /**
   * The range the kernel documents for this shape and batch size:
   * `preciseSum - under <= approximateSum <= preciseSum + over`.
   *
   * As with `bounds()`, an add in flight between two levels is outside of it. The error is then larger by at most the
   * number of adding threads times what each adds at once.
   */
  get accuracy(): Accuracy {
    return kernelAccuracy(arenaInternals(this.#arena).layout.shape, this.batchSize);
  }

  /**
   * The range of the precise sum, known from the approximate one: `min <= preciseSum <= max`, where `min` is the
   * approximate sum. Narrower than `accuracy`, and one-sided, because leaves and items hold back non-negative remainders.
   *
   * It holds while no add is in flight. An add between two levels is outside of it: the error is at most the number of
   * adding threads times what each adds at once. On the engine `'ts'` a worker that is terminated within an add leaves both
   * ends off by one carry for good, which is less than the delta and one batch; the sum stays exact. On the engine `'wasm'`
   * an add is done in full or not at all.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` if an end is not a safe integer.
   */
  bounds(): Bounds {
    const min = this.approximateSum();
    return { min, max: requireSafeSum(min + this.#slack, 'bounds', 'preciseSumBigInt') };
  }

  /**
   * Compares the two precise sums as `preciseSumBigInt()` returns them: exactly, for every 64-bit value, wrapped ones
   * included. It sums only when the bounds overlap: first the counter with the wider bounds, then the other.
   *
   * @returns the sign of `this - other`.
   * @param other a counter, of any arena, or a safe integer.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
   */
  compare(other: CounterTree | number): -1 | 0 | 1 {
    const sign = this.approximateCompare(other);
    if (sign !== 0) return sign;
    if (typeof other === 'number') return signOf(this.#exactPrecise(), other);
    if (this.#slack >= other.#slack) return this.#compareSummed(other);
    return (0 - other.#compareSummed(this)) as -1 | 0 | 1;
  }

  /**
   * The sign of `this - other`, by the bounds alone.
   *
   * @param other a counter, of any arena, or a safe integer.
   * @returns -1 or 1 as `compare()`; or 0: equal, or not decided by the bounds. Bounds that reach beyond 2^63 - 1 decide
   *   nothing, because the sum may have wrapped around.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
   */
  approximateCompare(other: CounterTree | number): -1 | 0 | 1 {
    let low: Sum;
    let slack = 0;
    if (other instanceof CounterTree) {
      low = other.#exactApproximate();
      slack = other.#slack;
    } else {
      if (typeof other !== 'number') throw invalidArgType('other', 'a CounterTree or a number', other);
      low = requireSafeInteger(other, 'other');
    }
    const own = this.#exactApproximate();
    const high = plus(low, slack);
    const ownHigh = plus(own, this.#slack);
    if (high > MAX_SUM || ownHigh > MAX_SUM) return 0;
    if (own > high) return 1;
    return ownHigh < low ? -1 : 0;
  }

  /** Sums this counter, and the other one only if its bounds include that sum. */
  #compareSummed(other: CounterTree): -1 | 0 | 1 {
    const sum = this.#exactPrecise();
    const low = other.#exactApproximate();
    const high = plus(low, other.#slack);
    if (high <= MAX_SUM) {
      if (sum < low) return -1;
      if (sum > high) return 1;
    }
    return signOf(sum, other.#exactPrecise());
  }

  #exactApproximate(): Sum {
    const sum = this.#engine.approximateSum(this.#descriptor, this.#generation);
    return Number.isSafeInteger(sum) ? sum : this.approximateSumBigInt();
  }

  #exactPrecise(): Sum {
    const sum = this.#engine.preciseSum(this.#descriptor, this.#generation);
    return Number.isSafeInteger(sum) ? sum : this.preciseSumBigInt();
  }

  /**
   * Makes the precise sum `value`. A concurrent add of another thread either counts from there or is part of it.
   *
   * @param value a safe integer.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
   */
  set(value: number): void {
    requireSafeInteger(value, 'value');
    this.#requireAlive();
    this.#engine.set(this.#descriptor, value);
  }

  /**
   * The value of each CPU's leaf, CPU 0 first. `set` and `initial` do not change leaves, so their sum can differ from the
   * precise sum.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` if one is not a safe integer.
   */
  leaves(): number[] {
    this.#requireAlive();
    return Array.from({ length: this.#cpus }, (_, cpu) =>
      requireSafeSum(Number(this.#engine.leaf(this.#descriptor, cpu)), 'leaves', 'preciseSumBigInt'),
    );
  }

  /**
   * From now on the counter outlives the thread that made it, and its memory is in quarantine for a second after its
   * destruction. A thread that is terminated after this call and before its handle has reached another thread leaves a
   * counter that no thread can destroy. Where threads may be terminated, share what a thread that outlives them has made.
   *
   * @returns a handle for `postMessage` or `workerData`; any thread of this process can attach it.
   */
  share(): SharedCounter {
    if (!arenaInternals(this.#arena).slots.markShared(this.#slot, this.#generation)) throw destroyedError();
    return {
      type: 'percpu.SharedCounter',
      version: LAYOUT_VERSION,
      processId: process.pid,
      arena: this.#arena.share(),
      slot: this.#slot,
      generation: this.#generation,
    };
  }

  /**
   * Opens a counter of another thread, and its arena if this thread has not attached it yet.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` for a handle that does not fit; PercpuError
   *   `ERR_DESTROYED` if the counter was destroyed.
   */
  static attach(shared: SharedCounter): CounterTree {
    requireHandle(shared, 'shared', 'percpu.SharedCounter', 'a handle that CounterTree.share() returned');
    const arena = CounterArena.attach(shared.arena);
    const { layout, slots } = arenaInternals(arena);
    const slot = requireInteger(shared.slot, 'shared.slot', { min: 0, max: layout.capacity - 1 });
    const generation = requireInteger(shared.generation, 'shared.generation', { min: -(2 ** 31), max: 2 ** 31 - 1 });
    if (!slots.exists(slot) || (generation & 1) === 0) {
      throw outOfRange('shared', 'a handle that CounterTree.share() returned', shared);
    }
    if (slots.generation(slot) !== generation) throw destroyedError();
    const batchSize = slots.batchSize(slot);
    // Checked again: after a destruction the descriptor may be another counter's, half written.
    if (slots.generation(slot) !== generation) throw destroyedError();
    if (batchSize === 0) throw outOfRange('shared', 'a handle to a counter whose memory is intact', shared);
    return existing.construct({ arena, number: slot, generation, batchSize }, newCounter);
  }

  /** Frees the counter for all threads, shared or not. Idempotent; every later use is `ERR_DESTROYED`. */
  destroy(): void {
    arenaInternals(this.#arena).slots.release(this.#slot, this.#generation);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #requireAlive(): void {
    if (arenaInternals(this.#arena).slots.generation(this.#slot) !== this.#generation) throw destroyedError();
  }
}

function newCounter(): CounterTree {
  return new CounterTree();
}

function signOf(a: Sum, b: Sum): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0;
}

function plus(sum: Sum, slack: number): Sum {
  const total = typeof sum === 'bigint' ? undefined : sum + slack;
  return total !== undefined && Number.isSafeInteger(total) ? total : BigInt(sum) + BigInt(slack);
}

function requireSafeSum(sum: number, method: string, twin: string): number {
  if (Number.isSafeInteger(sum)) return sum;
  throw Object.assign(
    new RangeError(`The result of ${method}() is not a safe integer (beyond 2^53 - 1 either way): use ${twin}()`),
    { code: 'ERR_OUT_OF_RANGE' },
  );
}

function claimSlots(count: number, options: CounterTreeOptions | undefined): LiveSlot[] {
  const {
    batchSize = DEFAULT_BATCH_SIZE,
    initial = 0,
    arena = CounterArena.default,
  } = requireOptions(options, ['batchSize', 'initial', 'arena']);
  if (typeof batchSize !== 'number') throw invalidArgType('options.batchSize', 'a number', batchSize);
  const isPowerOfTwo = Number.isInteger(batchSize) && (batchSize & (batchSize - 1)) === 0;
  if (!(isPowerOfTwo && batchSize >= 2 && batchSize <= MAX_BATCH_SIZE)) {
    throw outOfRange('options.batchSize', 'a power of two from 2 to 2^30', batchSize);
  }
  requireSafeInteger(initial, 'options.initial');
  if (!(arena instanceof CounterArena)) throw invalidArgType('options.arena', 'a CounterArena', arena);
  const { slots, layout } = arenaInternals(arena);
  slots.requireCapacity(count);
  const claimed: LiveSlot[] = [];
  try {
    for (const run of runsOf(count, layout)) {
      const first = slots.claim(run, batchSize, initial);
      for (let slot = first; slot < first + run; slot++) {
        claimed.push({ arena, number: slot, generation: slots.generation(slot), batchSize });
      }
    }
  } catch (error) {
    for (const slot of claimed) slots.release(slot.number, slot.generation);
    throw error;
  }
  return claimed;
}
