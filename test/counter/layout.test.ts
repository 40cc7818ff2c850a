import { describe, expect, it } from 'vitest';
import {
  type ArenaLayout,
  arenaLayout,
  CACHE_LINE,
  DESCRIPTOR_BYTES,
  LEAF_OFFSETS,
  MAX_ARENA_BYTES,
  slotAddresses,
  slotOfDescriptor,
} from '../../lib/counter/layout.js';

/** Everything that a slot may write, as ranges of bytes. */
function rangesOf(layout: ArenaLayout, slot: number): [start: number, end: number][] {
  const { descriptor, leaf, items, root } = slotAddresses(layout, slot);
  return [
    [descriptor, descriptor + DESCRIPTOR_BYTES],
    ...[...layout.leafOffsets].map((offset) => [leaf + offset, leaf + offset + 8] as [number, number]),
    [items, items + layout.itemLines * CACHE_LINE],
    [root, root + CACHE_LINE],
  ];
}

describe.each([
  [1, 1],
  [1, undefined],
  [2, 10],
  [3, 20_000],
  [64, 513],
  [256, undefined],
  [384, 9_000],
  [1_024, 1_024],
  [65_536, undefined],
  [2 ** 17, undefined],
] as const)('the layout for %i CPUs, capacity %s', (cpus, capacity) => {
  const layout = arenaLayout(cpus, capacity);
  const slots = [0, 1, 2, layout.slotsPerChunk - 1, layout.slotsPerChunk, layout.capacity - 1].filter(
    (slot) => slot < layout.capacity,
  );

  it('keeps slots apart, aligned, and within the memory', () => {
    const ranges = [...new Set(slots)].flatMap((slot) => {
      const { descriptor, items, root } = slotAddresses(layout, slot);
      expect([items % CACHE_LINE, root % CACHE_LINE, descriptor % DESCRIPTOR_BYTES]).toEqual([0, 0, 0]);
      return rangesOf(layout, slot).filter(([start, next]) => start < next);
    });
    ranges.sort((a, b) => a[0] - b[0]);
    let end = layout.firstChunk;
    for (const [start, next] of ranges) {
      if (start < end) throw new Error(`${start} lies before ${end}`);
      end = next;
    }
    expect(end).toBeLessThanOrEqual(layout.maxBytes);
    expect(layout.maxBytes).toBeLessThanOrEqual(MAX_ARENA_BYTES);
    expect(layout.firstChunk).toBeGreaterThanOrEqual(LEAF_OFFSETS + 4 * layout.leafOffsetEntries);
  });

  it('finds a slot by its descriptor', () => {
    for (const slot of slots) expect(slotOfDescriptor(layout, slotAddresses(layout, slot).descriptor)).toBe(slot);
  });

  it('staggers the leaves: neighbouring CPUs fall into different sets of a cache', () => {
    const sets = [...layout.leafOffsets.slice(0, 64)].map((offset) => (offset / CACHE_LINE) % 64);
    expect(new Set(sets).size).toBe(Math.min(cpus, 64));
  });
});
