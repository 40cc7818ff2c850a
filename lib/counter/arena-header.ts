import { outOfRange } from '../errors.js';
import type { ArenaMemory } from './arena-memory.js';
import {
  type ArenaLayout,
  CACHE_LINE,
  Header,
  LAYOUT_VERSION,
  LEAF_OFFSETS,
  layoutWith,
  leafOffsetEntriesFor,
  MAGIC,
  MAX_ARENA_BYTES,
  MAX_SLOTS_PER_CHUNK,
} from './layout.js';
import { MAX_CPUS, treeShape } from './tree-shape.js';

/** Writes the header. The memory is not shared before this returns. */
export function writeLayout(memory: ArenaMemory, layout: ArenaLayout, arenaId: number): void {
  memory.ensure(layout.firstChunk);
  const { words } = memory;
  const { shape, leafOffsets, leafOffsetEntries } = layout;
  words[Header.VERSION] = LAYOUT_VERSION;
  words[Header.CPUS] = shape.cpus;
  words[Header.CAPACITY] = layout.capacity;
  words[Header.ORDER] = shape.order;
  words[Header.LEVELS] = shape.levels;
  words[Header.ITEMS] = shape.items;
  words[Header.LEAF_OFFSET_MASK] = leafOffsetEntries - 1;
  words[Header.ARENA_ID] = arenaId;
  words[Header.ARENA_ID + 1] = arenaId / 2 ** 32;
  words.set(shape.arityOrders, Header.ARITY_ORDERS);
  words[Header.SLOTS_PER_CHUNK] = layout.slotsPerChunk;
  for (let entry = 0; entry < leafOffsetEntries; entry++) {
    words[LEAF_OFFSETS / 4 + entry] = leafOffsets[entry % shape.cpus]!;
  }
  // Last: a thread that finds the magic number finds the rest.
  Atomics.store(words, Header.MAGIC, MAGIC);
}

/** @throws RangeError `ERR_OUT_OF_RANGE` when the memory is another arena's or has another layout. */
export function requireArena({ words }: ArenaMemory, arenaId: number): void {
  const isArena = words.byteLength > LEAF_OFFSETS && Atomics.load(words, Header.MAGIC) === MAGIC;
  const foundId = (words[Header.ARENA_ID]! >>> 0) + words[Header.ARENA_ID + 1]! * 2 ** 32;
  if (!isArena || foundId !== arenaId) {
    throw outOfRange('shared.memory', 'the memory of the arena the handle names', 'another memory');
  }
  if (words[Header.VERSION] !== LAYOUT_VERSION) {
    throw outOfRange('shared.memory', `an arena of layout version ${LAYOUT_VERSION}`, words[Header.VERSION]);
  }
}

function damaged(what: string, found: unknown): Error {
  return outOfRange('shared.memory', `an arena whose ${what} fits the rest`, found);
}

/**
 * Reads back what `writeLayout` wrote, and checks all of it: later accesses are computed from these words, so inconsistent
 * ones would lead outside of the memory.
 *
 * @throws RangeError `ERR_OUT_OF_RANGE`.
 */
export function readLayout({ words }: ArenaMemory): ArenaLayout {
  const cpus = words[Header.CPUS]!;
  if (cpus < 1 || cpus > MAX_CPUS) throw damaged('number of CPUs', cpus);
  const shape = treeShape(cpus);
  const slotsPerChunk = words[Header.SLOTS_PER_CHUNK]!;
  if (slotsPerChunk < 1 || slotsPerChunk > MAX_SLOTS_PER_CHUNK) throw damaged('chunk size', slotsPerChunk);
  const leafOffsets = readLeafOffsets(words, cpus, leafOffsetEntriesFor(shape), slotsPerChunk);
  const widest = layoutWith(shape, undefined, slotsPerChunk, leafOffsets);
  const capacity = words[Header.CAPACITY]! >>> 0;
  if (capacity < 1 || capacity > widest.capacity) throw damaged('capacity', capacity);
  const layout = layoutWith(shape, capacity, slotsPerChunk, leafOffsets);
  const chunks = Atomics.load(words, Header.CHUNKS);
  if (chunks < 0 || chunks > layout.maxChunks) throw damaged('number of chunks', chunks);
  const constants: [number, number][] = [
    [Header.ORDER, shape.order],
    [Header.LEVELS, shape.levels],
    [Header.ITEMS, shape.items],
    [Header.LEAF_OFFSET_MASK, layout.leafOffsetEntries - 1],
    ...shape.arityOrders.map((order, level): [number, number] => [Header.ARITY_ORDERS + level, order]),
  ];
  for (const [word, expected] of constants) {
    if (words[word] !== expected) throw damaged(`header word ${word}`, words[word]);
  }
  return layout;
}

/** Requires ascending offsets with room for a chunk's slots between them, repeated over the whole table. */
function readLeafOffsets(words: Int32Array, cpus: number, entries: number, slotsPerChunk: number): Uint32Array {
  const table = LEAF_OFFSETS / 4;
  if (table + entries > words.length) throw damaged('table of leaves', 'a memory that ends before it');
  const leafOffsets = new Uint32Array(cpus);
  let least = 0;
  for (let entry = 0; entry < entries; entry++) {
    const offset = words[table + entry]! >>> 0;
    if (entry < cpus) {
      if (offset < least || offset % CACHE_LINE !== 0 || (entry === 0 && offset !== 0)) {
        throw damaged('table of leaves', offset);
      }
      leafOffsets[entry] = offset;
      least = offset + 8 * slotsPerChunk;
    } else if (offset !== leafOffsets[entry % cpus]) throw damaged('table of leaves', offset);
  }
  if (least > MAX_ARENA_BYTES) throw damaged('table of leaves', least);
  return leafOffsets;
}
