import { destroyedError } from '../errors.js';
import type { ArenaMemory } from './arena-memory.js';
import type { CounterEngine } from './engine.js';
import { type ArenaLayout, CACHE_LINE, Descriptor, LEAF_OFFSETS } from './layout.js';

interface Level {
  /** Index of the level's first item among the counter's items, in cache lines. */
  firstItem: number;
  /** Items on the level, minus one: a power of two, minus one. */
  itemMask: number;
  /** log2(step of the level / batch). */
  shift: bigint;
}

function levelsBelowRoot({ shape }: ArenaLayout): Level[] {
  const levels: Level[] = [];
  let firstItem = 0;
  let below = 0;
  for (const arityOrder of shape.arityOrders.slice(0, -1)) {
    below += arityOrder;
    const items = 2 ** (shape.order - below);
    levels.push({ firstItem, itemMask: items - 1, shift: BigInt(below) });
    firstItem += items;
  }
  return levels;
}

/** floor(after / step) * step - floor(before / step) * step, for a step that is a power of two. */
function carryOf(before: bigint, after: bigint, step: bigint): bigint {
  return (after & -step) - (before & -step);
}

/**
 * The counter tree in TypeScript with `Atomics`: the reference for the other engines, and the fallback without WebAssembly.
 * wasm/hot-path.ts has the drawing.
 *
 * Every word that another thread may change is accessed through `Atomics` (sequentially consistent). V8 may terminate a
 * thread between the add to a leaf and its carry. Sums stay exact then; the approximate sum and the bounds stay off by that
 * carry. It cannot be repaired: a lost carry looks like one in flight.
 */
class TsEngine implements CounterEngine {
  readonly name = 'ts';
  readonly #memory: ArenaMemory;
  readonly #cpus: number;
  readonly #hasTree: boolean;
  readonly #leafOffsetMask: number;
  readonly #levels: readonly Level[];

  constructor(memory: ArenaMemory, layout: ArenaLayout) {
    this.#memory = memory;
    this.#cpus = layout.shape.cpus;
    this.#hasTree = layout.shape.levels > 0;
    this.#leafOffsetMask = layout.leafOffsetEntries - 1;
    this.#levels = levelsBelowRoot(layout);
    // Callers use it without `this`, as they use WebAssembly's.
    this.add = this.add.bind(this);
  }

  add(descriptor: number, generation: number, cpu: number, delta: number): number {
    const { words, longs } = this.#memory;
    if (!this.#isAlive(descriptor, generation)) return 1;
    const index = cpu & this.#leafOffsetMask;
    const before = Atomics.add(longs, this.#leafIndex(descriptor, index), BigInt(delta));
    // Leaves and items wrap at 64 bits, like the kernel's counters.
    const after = BigInt.asIntN(64, before + BigInt(delta));
    const batch = BigInt(words[descriptor / 4 + Descriptor.BATCH]!);
    const carry = carryOf(before, after, batch);
    if (carry !== 0n && this.#hasTree) this.#carryUp(descriptor, index, carry, batch);
    return 0;
  }

  addOn(descriptor: number, generation: number, cpu: number, delta: number): void {
    if (this.add(descriptor, generation, cpu, delta) !== 0) throw destroyedError();
  }

  #carryUp(descriptor: number, cpu: number, lowest: bigint, batch: bigint): void {
    const { longs } = this.#memory;
    const items = this.#address(descriptor, Descriptor.ITEMS) / 8;
    let carry = lowest;
    for (const { firstItem, itemMask, shift } of this.#levels) {
      const step = batch << shift;
      // A multiple of the step cannot change the item's low bits.
      if ((carry & (step - 1n)) === 0n) continue;
      const item = items + ((firstItem + (cpu & itemMask)) * CACHE_LINE) / 8;
      const before = Atomics.add(longs, item, carry);
      carry = carryOf(before, BigInt.asIntN(64, before + carry), step);
      if (carry === 0n) return;
    }
    Atomics.add(longs, this.#address(descriptor, Descriptor.ROOT) / 8, carry);
  }

  approximateSum(descriptor: number, generation: number): number {
    this.#requireAlive(descriptor, generation);
    return Number(this.approximateSumBigInt(descriptor));
  }

  preciseSum(descriptor: number, generation: number): number {
    this.#requireAlive(descriptor, generation);
    return Number(this.preciseSumBigInt(descriptor));
  }

  approximateSumBigInt(descriptor: number): bigint {
    const { longs } = this.#memory;
    const root = this.#address(descriptor, Descriptor.ROOT) / 8;
    const value = this.#hasTree ? Atomics.load(longs, root) : this.leaf(descriptor, 0);
    return BigInt.asIntN(64, value + Atomics.load(longs, root + 1));
  }

  preciseSumBigInt(descriptor: number): bigint {
    const bias = Atomics.load(this.#memory.longs, this.#address(descriptor, Descriptor.ROOT) / 8 + 1);
    return BigInt.asIntN(64, this.#sumOfLeaves(descriptor) + bias);
  }

  leaf(descriptor: number, cpu: number): bigint {
    return Atomics.load(this.#memory.longs, this.#leafIndex(descriptor, cpu));
  }

  set(descriptor: number, value: number): void {
    const bias = BigInt.asIntN(64, BigInt(value) - this.#sumOfLeaves(descriptor));
    Atomics.store(this.#memory.longs, this.#address(descriptor, Descriptor.ROOT) / 8 + 1, bias);
  }

  clear(descriptor: number, itemLines: number): void {
    const { longs } = this.#memory;
    for (let cpu = 0; cpu < this.#cpus; cpu++) Atomics.store(longs, this.#leafIndex(descriptor, cpu), 0n);
    const items = this.#address(descriptor, Descriptor.ITEMS) / 8;
    for (let line = 0; line < itemLines; line++) Atomics.store(longs, items + (line * CACHE_LINE) / 8, 0n);
    const root = this.#address(descriptor, Descriptor.ROOT) / 8;
    Atomics.store(longs, root, 0n);
    Atomics.store(longs, root + 1, 0n);
  }

  #isAlive(descriptor: number, generation: number): boolean {
    return this.#memory.words[descriptor / 4 + Descriptor.GENERATION] === generation;
  }

  #requireAlive(descriptor: number, generation: number): void {
    if (!this.#isAlive(descriptor, generation)) throw destroyedError();
  }

  #address(descriptor: number, field: number): number {
    return this.#memory.words[descriptor / 4 + field]! >>> 0;
  }

  #leafIndex(descriptor: number, cpu: number): number {
    const offset = this.#memory.words[LEAF_OFFSETS / 4 + cpu]! >>> 0;
    return (this.#address(descriptor, Descriptor.LEAF) + offset) / 8;
  }

  #sumOfLeaves(descriptor: number): bigint {
    let sum = 0n;
    for (let cpu = 0; cpu < this.#cpus; cpu++) sum += this.leaf(descriptor, cpu);
    return sum;
  }
}

export function tsEngine(memory: ArenaMemory, layout: ArenaLayout): CounterEngine {
  return new TsEngine(memory, layout);
}
