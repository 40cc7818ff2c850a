// The counter's hot path, in AssemblyScript: WebAssembly over the arena's shared memory.
//
//   CPU      0    1    2    3    4    5    6    7
//   leaf     |    |    |    |    |    |    |    |      level 0: carries in steps of batch
//            +----+    +----+    +----+    +----+
//   item       \  |     |  /       ...                 level 1: CPU c belongs to item c mod items(1)
//               root                                   last level: what approximateSum() reads
//
// Worked example, batch 32: a leaf at 30 receives +5 and holds 35. floor(35/32)*32 - floor(30/32)*32 = 32 is carried to
// the item of level 1 whose step is 64: from 32 to 64 that item carries 64 on, from 0 to 32 nothing. A carry that is a
// multiple of the next step skips that item, whose low bits it cannot change.
//
// Between the add to the leaf and the last carry there is no loop and no call, so V8 cannot stop the thread there. A
// terminated worker has therefore done an add in full or not begun it. A test checks the binary for it.
//
// Concurrency: any number of threads change leaves and items, by atomic read-modify-write operations alone. A carry is
// computed from the old and the new value of one operation, so each crossing of a step is carried exactly once in every
// interleaving. The CPU number chooses a leaf and a path; a stale one costs only locality.

// Byte offsets of a descriptor's fields, and places in the arena. test/native/schema.test.ts compares them with layout.ts.
// @ts-ignore: decorator
@inline const GENERATION: usize = 0;
// @ts-ignore: decorator
@inline const BATCH: usize = 28;
// @ts-ignore: decorator
@inline const LEAF: usize = 8;
// @ts-ignore: decorator
@inline const ITEMS: usize = 12;
// @ts-ignore: decorator
@inline const ROOT: usize = 16;
// @ts-ignore: decorator
@inline const BIAS_OF_ROOT: usize = 8;
// @ts-ignore: decorator
@inline const LEAF_OFFSETS: usize = 5120;
// @ts-ignore: decorator
@inline const HOT_CPU_MASK: u32 = 8191;
// @ts-ignore: decorator
@inline const LOG2_CACHE_LINE: u32 = 6;

/** Throws in JavaScript: the counter is no longer of the generation its handle has. */
@external("env", "destroyed")
declare function destroyed(): void;

let cpus: u32 = 1;
let cpuMask: u32 = 0;
let levels: u32 = 0;

// Of each level k = 1 … 4 below the root: log2(step(k) / batch), the mask that is "mod items(k)", and the byte offset of
// the level's first item among the counter's items.
let shift1: u64 = 0, shift2: u64 = 0, shift3: u64 = 0, shift4: u64 = 0;
let mask1: u32 = 0, mask2: u32 = 0, mask3: u32 = 0, mask4: u32 = 0;
let first2: u32 = 0, first3: u32 = 0, first4: u32 = 0;

/** Tells the instance the shape of its arena; the arity orders of absent levels are 0. */
export function init(
  cpuCount: u32, leafOffsetMask: u32, order: u32, levelCount: u32, a1: u32, a2: u32, a3: u32, a4: u32,
): void {
  cpus = cpuCount;
  cpuMask = leafOffsetMask;
  levels = levelCount;
  shift1 = a1;
  shift2 = a1 + a2;
  shift3 = a1 + a2 + a3;
  shift4 = a1 + a2 + a3 + a4;
  mask1 = (1 << (order - <u32>shift1)) - 1;
  mask2 = (1 << (order - <u32>shift2)) - 1;
  mask3 = (1 << (order - <u32>shift3)) - 1;
  mask4 = (1 << (order - <u32>shift4)) - 1;
  first2 = (mask1 + 1) << LOG2_CACHE_LINE;
  first3 = first2 + ((mask2 + 1) << LOG2_CACHE_LINE);
  first4 = first3 + ((mask3 + 1) << LOG2_CACHE_LINE);
}

/** floor(after / step) * step - floor(before / step) * step, for a step that is a power of two. */
// @ts-ignore: decorator
@inline function carryOf(before: i64, after: i64, step: i64): i64 {
  return (after & -step) - (before & -step);
}

/** Passes a carry through one level below the root; returns what goes on upwards. */
// @ts-ignore: decorator
@inline function through(item: usize, carry: i64, step: i64): i64 {
  if ((carry & (step - 1)) == 0) return carry;
  const before = atomic.add<i64>(item, carry);
  return carryOf(before, before + carry, step);
}

// @ts-ignore: decorator
@inline function carryUp(descriptor: usize, cpu: u32, before: i64, after: i64, batch: i64): void {
  let carry = carryOf(before, after, batch);
  if (levels > 1) {
    const items = <usize>load<u32>(descriptor, ITEMS);
    carry = through(items + ((cpu & mask1) << LOG2_CACHE_LINE), carry, batch << <i64>shift1);
    if (carry != 0 && levels > 2) {
      carry = through(items + first2 + ((cpu & mask2) << LOG2_CACHE_LINE), carry, batch << <i64>shift2);
      if (carry != 0 && levels > 3) {
        carry = through(items + first3 + ((cpu & mask3) << LOG2_CACHE_LINE), carry, batch << <i64>shift3);
        if (carry != 0 && levels > 4) {
          carry = through(items + first4 + ((cpu & mask4) << LOG2_CACHE_LINE), carry, batch << <i64>shift4);
        }
      }
    }
  }
  if (carry != 0 && levels > 0) atomic.add<i64>(<usize>load<u32>(descriptor, ROOT), carry);
}

/**
 * Whether the counter is not destroyed. A plain load: a counter destroyed this instant may still receive the add that
 * follows, which is why the memory of a shared counter is quarantined before it is used again (slots.ts).
 */
// @ts-ignore: decorator
@inline function isAlive(descriptor: usize, generation: u32): bool {
  return load<u32>(descriptor, GENERATION) == generation;
}

// @ts-ignore: decorator
@inline function addTo(descriptor: usize, index: u32, delta: i64, batch: i64): void {
  const leaf = <usize>load<u32>(descriptor, LEAF) + <usize>load<u32>(index << 2, LEAF_OFFSETS);
  const before = atomic.add<i64>(leaf, delta);
  const after = before + delta;
  // Below batch, no bit from batch upwards differs: both values floor to the same multiple, and nothing is carried.
  if (<u64>(before ^ after) >= <u64>batch) carryUp(descriptor, index, before, after, batch);
}

/**
 * Adds a 32-bit delta. For CPU numbers of real machines: from 8192 on (no kernel goes that far) they share the leaves of
 * lower ones. Returns 0, or 1 where the counter is destroyed: a call to `destroyed` in here would cost every add a check
 * of the stack.
 */
export function add(descriptor: usize, generation: u32, cpu: u32, delta: i32): i32 {
  const batch = <i64>load<u32>(descriptor, BATCH);
  if (isAlive(descriptor, generation)) {
    addTo(descriptor, cpu & HOT_CPU_MASK, <i64>delta, batch);
    return 0;
  }
  return 1;
}

/** Adds any safe integer, on any CPU number; those beyond the shape share the leaves of lower ones. */
export function addOn(descriptor: usize, generation: u32, cpu: u32, delta: f64): void {
  if (!isAlive(descriptor, generation)) {
    destroyed();
    return;
  }
  addTo(descriptor, cpu & cpuMask, <i64>delta, <i64>load<u32>(descriptor, BATCH));
}

// @ts-ignore: decorator
@inline function leafValue(descriptor: usize, cpu: u32): i64 {
  return atomic.load<i64>(<usize>load<u32>(descriptor, LEAF) + <usize>load<u32>(cpu << 2, LEAF_OFFSETS));
}

// @ts-ignore: decorator
@inline function bias(descriptor: usize): i64 {
  return atomic.load<i64>(<usize>load<u32>(descriptor, ROOT), BIAS_OF_ROOT);
}

function sumOfLeaves(descriptor: usize): i64 {
  const leaf = <usize>load<u32>(descriptor, LEAF);
  const end = <usize>cpus << 2;
  let sum: i64 = 0;
  for (let at: usize = 0; at < end; at += 4) sum += atomic.load<i64>(leaf + <usize>load<u32>(at, LEAF_OFFSETS));
  return sum;
}

// @ts-ignore: decorator
@inline function rootValue(descriptor: usize): i64 {
  return levels == 0 ? leafValue(descriptor, 0) : atomic.load<i64>(<usize>load<u32>(descriptor, ROOT));
}

/** The value of the root. */
export function approximateSum(descriptor: usize, generation: u32): f64 {
  if (!isAlive(descriptor, generation)) destroyed();
  return <f64>(rootValue(descriptor) + bias(descriptor));
}

/** The sum of the leaves. */
export function preciseSum(descriptor: usize, generation: u32): f64 {
  if (!isAlive(descriptor, generation)) destroyed();
  return <f64>(sumOfLeaves(descriptor) + bias(descriptor));
}

export function approximateSumBigInt(descriptor: usize): i64 {
  return rootValue(descriptor) + bias(descriptor);
}

export function preciseSumBigInt(descriptor: usize): i64 {
  return sumOfLeaves(descriptor) + bias(descriptor);
}

/** The value of one leaf, without the bias. */
export function leaf(descriptor: usize, cpu: u32): i64 {
  return leafValue(descriptor, cpu);
}

/** Makes the precise sum `value` by changing the bias alone: concurrent adds are not lost. */
export function set(descriptor: usize, value: f64): void {
  atomic.store<i64>(<usize>load<u32>(descriptor, ROOT), <i64>value - sumOfLeaves(descriptor), BIAS_OF_ROOT);
}

/** Zeroes leaves, items, root and bias. Only the caller uses the slot. */
export function clear(descriptor: usize, itemLines: u32): void {
  const leaf = <usize>load<u32>(descriptor, LEAF);
  const end = <usize>cpus << 2;
  for (let at: usize = 0; at < end; at += 4) store<i64>(leaf + <usize>load<u32>(at, LEAF_OFFSETS), 0);
  const items = <usize>load<u32>(descriptor, ITEMS);
  for (let line: u32 = 0; line < itemLines; line++) store<i64>(items + (line << LOG2_CACHE_LINE), 0);
  const root = <usize>load<u32>(descriptor, ROOT);
  store<i64>(root, 0);
  atomic.store<i64>(root, 0, BIAS_OF_ROOT);
}
