import { outOfRange } from '../errors.js';
import { type TreeShape, treeShape } from './tree-shape.js';

// Where everything lies in an arena's memory. All engines, wasm/hot-path.ts and native/counter/arena_layout.h agree on it.
//
//   0        header: constants of the arena, then (on a cache line of its own) what changes
//   5120     leaf offsets: per CPU number, the byte distance of its leaves from CPU 0's; entries from `cpus` on repeat the
//            first ones, so that a CPU number beyond the shape finds a leaf as well
//   owners   behind that table: a record per thread that owns slots (owners.ts)
//   chunks   from `firstChunk` on, all alike, added as counters are needed:
//              leaves of CPU 0 | leaves of CPU 1 | …    one stride each, counters side by side within it
//              descriptors                              32 bytes per slot
//              items                                    one cache line each, per slot: level 1, level 2, …
//              roots                                    one cache line per slot
//
// A slot is the place of one counter. Its address as a whole is the byte offset of its descriptor.

/** Version of the memory layout: a handle from another one is refused. */
export const LAYOUT_VERSION = 2;
/** 'PCPU', the first word of every arena. */
export const MAGIC = 0x55504350;
export const CACHE_LINE = 64;
/** WebAssembly memory grows in pages of this many bytes; chunks begin at a multiple of it. */
export const WASM_PAGE = 65_536;
/** WebAssembly's limit for a 32-bit memory, and so an arena's. */
export const MAX_ARENA_BYTES = 2 ** 32;

/** Word (4-byte) indices of the header. The first sixteen, one cache line, are constant once the arena is made. */
export const Header = {
  MAGIC: 0,
  VERSION: 1,
  CPUS: 2,
  CAPACITY: 3,
  ORDER: 4,
  LEVELS: 5,
  ITEMS: 6,
  LEAF_OFFSET_MASK: 7,
  SLOTS_PER_CHUNK: 8,
  /** Two words, the low one first: a random number that tells one arena from another. */
  ARENA_ID: 9,
  /** Five words (11 … 15), the lowest level first; 0 for levels the shape does not have. */
  ARITY_ORDERS: 11,
  /** Chunks whose memory exists. Grows only. */
  CHUNKS: 16,
  /** The last token given to a thread that owns slots. Grows only. */
  LAST_OWNER: 17,
  /** No slot below this one is known to be free: where a search begins. A hint, never relied upon. */
  FIRST_FREE: 18,
} as const;

/** Byte offset of the table of leaf offsets; also written into wasm/hot-path.ts. */
export const LEAF_OFFSETS = 5120;

/** Threads that can own slots at a time; the counters of further ones are not given back when they end. */
export const OWNER_RECORDS = 1024;
export const OWNER_RECORD_BYTES = 16;

/** Byte offsets within an owner's record. */
export const OwnerRecord = {
  /** 64 bits: which thread it is (thread-identity.ts), 0 for a free record. */
  IDENTITY: 0,
  /** 32 bits: the owner's token. */
  TOKEN: 8,
} as const;

export const DESCRIPTOR_BYTES = 32;

/** Word indices within a descriptor. */
export const Descriptor = {
  /** Odd: a live counter; even: none. One more with each creation and each destruction. */
  GENERATION: 0,
  /**
   * Changed together with the generation, as one 64-bit word. 0: a free slot. With an even generation, the token of the
   * thread that is claiming the slot; with an odd one, of the thread whose end destroys the counter, or -1 for a
   * counter that was shared and outlives its maker.
   */
  OWNER: 1,
  /** Byte offset of CPU 0's leaf. */
  LEAF: 2,
  /** Byte offset of the first item of level 1. */
  ITEMS: 3,
  /** Byte offset of the root; the bias is the 64-bit word behind it. */
  ROOT: 4,
  /** Native runs that use the slot's memory: it is not handed out again while there are any. */
  PINS: 5,
  /**
   * Of a free slot: when its counter was destroyed, in milliseconds of the monotonic clock (never 0), where another
   * thread may have known it; else 0.
   */
  QUARANTINED: 6,
  BATCH: 7,
} as const;

/** Slots of a chunk; fewer where the arena's capacity is smaller or so many leaves would make chunks unwieldy. */
export const MAX_SLOTS_PER_CHUNK = 8192;
const SLOT_GRANULARITY = 512;
const MAX_LEAF_BYTES_PER_CHUNK = 64 * 2 ** 20;

/** Fewest entries of the table of leaf offsets: the hot path looks up any CPU number below this, whatever the shape. */
const MIN_LEAF_OFFSETS = 8192;

/**
 * Where in their page a chunk's descriptors and items begin. A load from an address that equals a recent store's in its low
 * 12 bits has to wait for it. An add stores to a leaf and now and then to an item, and the next one loads a leaf offset
 * and a descriptor: the first counters and CPUs have their leaves from 0 on, so leaf offsets begin 1,024 bytes into a
 * page, descriptors 2,048 and items 3,072.
 */
const DESCRIPTORS_WITHIN_PAGE = 2048;
const ITEMS_WITHIN_PAGE = 3072;
const PAGE = 4096;

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** @returns the first offset from `from` on that is so many bytes into its page. */
function nextInPage(from: number, withinPage: number): number {
  return alignUp(from - withinPage, PAGE) + withinPage;
}

export interface ArenaLayout {
  readonly shape: TreeShape;
  /** Most counters that live at a time. */
  readonly capacity: number;
  readonly slotsPerChunk: number;
  readonly chunkBytes: number;
  readonly firstChunk: number;
  readonly maxChunks: number;
  /** Byte distance of each CPU's leaves from those of CPU 0. */
  readonly leafOffsets: Uint32Array;
  /** Byte offsets within a chunk. */
  readonly descriptorsOffset: number;
  readonly itemsOffset: number;
  readonly rootsOffset: number;
  /** Items of a counter below the root, a cache line each. */
  readonly itemLines: number;
  /** Entries of the table of leaf offsets in memory, a power of two. */
  readonly leafOffsetEntries: number;
  /** Byte offset of the owners' records. */
  readonly ownersOffset: number;
  readonly bytesPerCounter: number;
  readonly maxBytes: number;
}

/** NUMA placement of leaves: which node a CPU is on, and the size of the pages that can be placed. */
export interface LeafPlacement {
  nodeOfCpu(cpu: number): number;
  pageBytes: number;
}

/** Slots side by side in a chunk. */
function slotsPerChunkFor(cpus: number, capacity: number): number {
  const wanted = Math.min(alignUp(capacity, SLOT_GRANULARITY), MAX_SLOTS_PER_CHUNK);
  const affordable = MAX_LEAF_BYTES_PER_CHUNK / 8 / 2 ** Math.ceil(Math.log2(cpus));
  return Math.min(wanted, affordable);
}

/**
 * Where each CPU's leaves begin. The stride is an odd number of cache lines: with equal offsets into their pages, all
 * leaves of a counter would fall into one set of the L1 cache and evict each other while they are summed. Where
 * neighbouring CPUs are on different NUMA nodes the next area begins on a page of its own, as far into it as the
 * stagger of 64 lines wants, so that no page holds leaves of two nodes.
 */
function leafOffsetsFor(cpus: number, slotsPerChunk: number, placement: LeafPlacement | undefined): Uint32Array {
  const stride = (((8 * slotsPerChunk) / CACHE_LINE) | 1) * CACHE_LINE;
  const offsets = new Uint32Array(cpus);
  let next = 0;
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (placement && cpu > 0 && placement.nodeOfCpu(cpu) !== placement.nodeOfCpu(cpu - 1)) {
      next = alignUp(next, placement.pageBytes) + (cpu % 64) * CACHE_LINE;
    }
    offsets[cpu] = next;
    next += stride;
  }
  return offsets;
}

/**
 * Computes the layout of an arena.
 *
 * @param cpus CPUs, 1 … 2^20.
 * @param capacity most live counters; `undefined`: as many as 4 GiB hold.
 * @param placement where the leaves of CPUs of different NUMA nodes must not share a page.
 * @throws RangeError `ERR_OUT_OF_RANGE` for a shape that cannot be, or a capacity that does not fit in 4 GiB.
 */
export function arenaLayout(cpus: number, capacity?: number, placement?: LeafPlacement): ArenaLayout {
  const shape = treeShape(cpus);
  const slotsPerChunk = slotsPerChunkFor(cpus, capacity ?? MAX_SLOTS_PER_CHUNK);
  return layoutWith(shape, capacity, slotsPerChunk, leafOffsetsFor(cpus, slotsPerChunk, placement));
}

/** Entries of the table of leaf offsets of an arena of that shape. */
export function leafOffsetEntriesFor(shape: TreeShape): number {
  return Math.max(2 ** shape.order, MIN_LEAF_OFFSETS);
}

/** The layout of an arena whose table of leaf offsets is known: what attaching to one starts from. */
export function layoutWith(
  shape: TreeShape,
  capacity: number | undefined,
  slotsPerChunk: number,
  leafOffsets: Uint32Array,
): ArenaLayout {
  const itemLines = Math.max(shape.items - 1, 0);
  const leafOffsetEntries = leafOffsetEntriesFor(shape);
  const ownersOffset = LEAF_OFFSETS + 4 * leafOffsetEntries;
  const firstChunk = alignUp(ownersOffset + OWNER_RECORDS * OWNER_RECORD_BYTES, WASM_PAGE);
  const endOfLeaves = leafOffsets[shape.cpus - 1]! + 8 * slotsPerChunk;
  const descriptorsOffset = nextInPage(endOfLeaves, DESCRIPTORS_WITHIN_PAGE);
  const itemsOffset = nextInPage(descriptorsOffset + DESCRIPTOR_BYTES * slotsPerChunk, ITEMS_WITHIN_PAGE);
  // Roots by themselves: a scan over many counters reads these lines alone, one after the other.
  const rootsOffset = itemsOffset + slotsPerChunk * itemLines * CACHE_LINE;
  const usedBytes = rootsOffset + slotsPerChunk * CACHE_LINE;
  const chunkBytes = alignUp(usedBytes, WASM_PAGE);
  const most = Math.floor((MAX_ARENA_BYTES - firstChunk) / chunkBytes) * slotsPerChunk;
  if (capacity !== undefined && capacity > most) {
    throw outOfRange('options.capacity', `an integer from 1 to ${most} for ${shape.cpus} CPUs`, capacity);
  }
  const maxChunks = Math.ceil((capacity ?? most) / slotsPerChunk);
  return {
    shape,
    capacity: capacity ?? most,
    slotsPerChunk,
    chunkBytes,
    firstChunk,
    maxChunks,
    leafOffsets,
    descriptorsOffset,
    itemsOffset,
    rootsOffset,
    itemLines,
    leafOffsetEntries,
    ownersOffset,
    bytesPerCounter: Math.ceil(usedBytes / slotsPerChunk),
    maxBytes: firstChunk + maxChunks * chunkBytes,
  };
}

/** What identifies the places of one slot; all are byte offsets. */
interface SlotAddresses {
  descriptor: number;
  leaf: number;
  items: number;
  root: number;
}

export function slotAddresses(layout: ArenaLayout, slot: number): SlotAddresses {
  const chunk = Math.floor(slot / layout.slotsPerChunk);
  const within = slot % layout.slotsPerChunk;
  const base = layout.firstChunk + chunk * layout.chunkBytes;
  return {
    descriptor: base + layout.descriptorsOffset + within * DESCRIPTOR_BYTES,
    leaf: base + 8 * within,
    items: base + layout.itemsOffset + within * layout.itemLines * CACHE_LINE,
    root: base + layout.rootsOffset + within * CACHE_LINE,
  };
}

/** The number of the slot whose descriptor is at that byte offset. */
export function slotOfDescriptor(layout: ArenaLayout, descriptor: number): number {
  const chunk = Math.floor((descriptor - layout.firstChunk) / layout.chunkBytes);
  const within = descriptor - layout.firstChunk - chunk * layout.chunkBytes - layout.descriptorsOffset;
  return chunk * layout.slotsPerChunk + within / DESCRIPTOR_BYTES;
}
