import type { CounterArena } from '../../lib/counter/arena.js';
import type { CounterTree } from '../../lib/counter/counter-tree.js';
import { arenaInternals, counterInternals } from '../../lib/counter/internals.js';
import { CACHE_LINE, Descriptor } from '../../lib/counter/layout.js';

const LEVELS_BY_ORDER = [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5];

const wrap = (value: bigint) => BigInt.asIntN(64, value);
const floorTo = (value: bigint, step: bigint) => value - (((value % step) + step) % step);
const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n);

/**
 * The counter tree in plain BigInt arithmetic, written from its rules alone and with nothing of the library: what the
 * engines are held against.
 */
export class TreeModel {
  readonly leaves: bigint[];
  /** Items level by level; the last level is the root alone. Empty for one CPU. */
  readonly levels: { step: bigint; items: bigint[] }[] = [];
  readonly #batch: bigint;
  bias = 0n;

  constructor(cpus: number, batchSize: number) {
    this.leaves = Array(cpus).fill(0n);
    this.#batch = BigInt(batchSize);
    let order = 0;
    while (2 ** order < cpus) order++;
    const count = LEVELS_BY_ORDER[order]!;
    let below = 0;
    for (let level = 0; level < count; level++) {
      // As evenly as possible, larger parts first.
      below += Math.floor(order / count) + (level < order % count ? 1 : 0);
      this.levels.push({ step: this.#batch * 2n ** BigInt(below), items: Array(2 ** (order - below)).fill(0n) });
    }
  }

  add(cpu: number, delta: bigint): void {
    const leaf = wrap(this.leaves[cpu]! + delta);
    let carry = wrap(floorTo(leaf, this.#batch) - floorTo(this.leaves[cpu]!, this.#batch));
    this.leaves[cpu] = leaf;
    for (const [index, { step, items }] of this.levels.entries()) {
      if (carry === 0n) return;
      const isRoot = index === this.levels.length - 1;
      if (!isRoot && carry % step === 0n) continue;
      const at = cpu % items.length;
      const before = items[at]!;
      items[at] = wrap(before + carry);
      carry = wrap(floorTo(items[at]!, step) - floorTo(before, step));
    }
  }

  /** Makes the precise sum `value`. */
  set(value: bigint): void {
    this.bias = wrap(value - sum(this.leaves));
  }

  get precise(): bigint {
    return wrap(sum(this.leaves) + this.bias);
  }

  get approximate(): bigint {
    return wrap((this.levels.at(-1)?.items[0] ?? this.leaves[0]!) + this.bias);
  }

  /** Every item, the lowest level first, the root last. */
  get items(): bigint[] {
    return this.levels.flatMap(({ items }) => items);
  }

  /** What leaves and items hold back at most. */
  get slack(): bigint {
    if (this.levels.length === 0) return 0n;
    let slack = BigInt(this.leaves.length) * (this.#batch - 1n);
    let step = this.#batch;
    for (const level of this.levels.slice(0, -1)) {
      slack += BigInt(level.items.length) * (level.step - step);
      step = level.step;
    }
    return slack;
  }

  /** The documented range: `under` and `over`. */
  get accuracy(): { under: bigint; over: bigint } {
    const [lowest] = this.levels;
    const leavesOfFullTree = lowest ? (lowest.step / this.#batch) * BigInt(lowest.items.length) : 0n;
    const multiplier = BigInt(this.levels.length) * leavesOfFullTree;
    return { under: this.#batch * multiplier, over: (this.#batch - 1n) * multiplier };
  }
}

/** What the memory holds of a counter's items, the lowest level first, the root last. */
export function itemsInMemory(counter: CounterTree): bigint[] {
  const { arena, descriptor } = counterInternals(counter);
  const { memory, layout } = arena;
  const address = (field: number) => memory.words[descriptor / 4 + field]! >>> 0;
  const belowRoot = Array.from({ length: Math.max(layout.shape.items - 1, 0) }, (_, item) => item * CACHE_LINE);
  const addresses = belowRoot.map((offset) => address(Descriptor.ITEMS) + offset);
  if (layout.shape.items > 0) addresses.push(address(Descriptor.ROOT));
  return addresses.map((at) => memory.longs[at / 8]!);
}

/** The place of a counter in its arena. */
export function slotOf(counter: CounterTree): number {
  return counterInternals(counter).slot;
}

/** Adds past the check that a CPU number belongs to the shape, as `add` does with the number the kernel gives. */
export function addOnAnyCpu(arena: CounterArena, counter: CounterTree, cpu: number, delta: number): void {
  const { descriptor, generation } = counterInternals(counter);
  arenaInternals(arena).engine.add(descriptor, generation, cpu, delta);
}
