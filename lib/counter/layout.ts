import { outOfRange } from '../errors.js';
import { type TreeShape, treeShape } from './tree-shape.js';

// The layout of an arena's memory. wasm/hot-path.ts and native/counter/arena_view.h have the same constants;
// test/native/schema.test.ts compares them.
//
//   0        header: constants of the arena, then (on another cache line) what changes
//   5120     leaf offsets: per CPU number, the byte distance of its leaves from CPU 0's; entries from `cpus` on repeat the
//            first ones, so a CPU number beyond the shape finds a leaf too
//   owners   after that table: a record per thread that owns slots (owners.ts)
//   chunks   from `firstChunk` on, all alike, added as counters are needed:
//              leaves of CPU 0 | leaves of CPU 1 | …    one stride each, counters side by side within it
//              descriptors                              32 bytes per slot
//              items                                    one cache line each, per slot: level 1, level 2, …
//              roots                                    one cache line per slot
//
// A slot is the place of one counter; the byte offset of its descriptor identifies it.

/** Version of the memory layout: a handle of another version is refused. */
export const LAYOUT_VERSION = 2;
/** 'PCPU', the first word of every arena. */
export const MAGIC = 0x55504350;
export const CACHE_LINE = 64;
/** Bytes by which WebAssembly memory grows; chunks begin at a multiple of it. */
export const WASM_PAGE = 65_536;
/** WebAssembly's limit for a 32-bit memory. */
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
  /** Two words, the low one first: a random number that identifies the arena. */
  ARENA_ID: 9,
  /** Five words (11 … 15), the lowest level first; 0 for levels the shape does not have. */
  ARITY_ORDERS: 11,
  /** Chunks whose memory exists. Grows only. */
  CHUNKS: 16,
  /** The last token given to a thread that owns slots. Grows only. */
  LAST_OWNER: 17,
  /** Where a search for a free slot begins. A hint: lower slots may be free. */
  FIRST_FREE: 18,
} as const;

/** Byte offset of the table of leaf offsets. */
export const LEAF_OFFSETS = 5120;

/** Threads that can own slots at a time; counters of further threads stay when those end. */
export const OWNER_RECORDS = 1024;
export const OWNER_RECORD_BYTES = 16;

/** Byte offsets within an owner's record. */
export const OwnerRecord = {
  /** 64 bits: the thread (thread-identity.ts), 0 for a free record. */
  IDENTITY: 0,
  /** 32 bits: the owner's token. */
  TOKEN: 8,
} as const;

export const DESCRIPTOR_BYTES = 32;

/** Word indices within a descriptor. */
export const Descriptor = {
  /** Odd for a live counter, else even. Each creation and each destruction adds 1. */
  GENERATION: 0,
  /**
   * Changed together with the generation, as one 64-bit word. 0: a free slot. With an even generation: the token of the
   * thread that is claiming the slot. With an odd one: the token of the thread whose end destroys the counter, or -1 for a
   * shared counter, which outlives its maker.
   */
  OWNER: 1,
  /** Byte offset of CPU 0's leaf. */
  LEAF: 2,
  /** Byte offset of the first item of level 1. */
  ITEMS: 3,
  /** Byte offset of the root; the bias is the next 64-bit word. */
  ROOT: 4,
  /** Native runs that use the slot's memory: while there are any, the slot is not claimed again. */
  PINS: 5,
  /**
   * Of a free slot whose counter other threads may have known: when it was destroyed, in milliseconds of the monotonic
   * clock (never 0); else 0.
   */
  QUARANTINED: 6,
  BATCH: 7,
} as const;

/** Most slots of a chunk; fewer for a smaller capacity, or when more leaves would exceed `MAX_LEAF_BYTES_PER_CHUNK`. */
export const MAX_SLOTS_PER_CHUNK = 8192;
const SLOT_GRANULARITY = 512;
const MAX_LEAF_BYTES_PER_CHUNK = 64 * 2 ** 20;

/** Fewest entries of the table of leaf offsets: the hot path looks up any CPU number below this, for every shape. */
export const MIN_LEAF_OFFSETS = 8192;

/**
 * Where in their page a chunk's descriptors and items begin. A load waits for a recent store whose address has the same low
 * 12 bits. An add stores to a leaf and sometimes to an item; the next add loads a leaf offset and a descriptor. The first
 * leaves lie from 0 on, so leaf offsets begin 1,024 bytes into a page, descriptors 2,048 and items 3,072.
 */
const DESCRIPTORS_WITHIN_PAGE = 2048;
const ITEMS_WITHIN_PAGE = 3072;
const PAGE = 4096;

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

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

export interface LeafPlacement {
  nodeOfCpu(cpu: number): number;
  pageBytes: number;
}

function slotsPerChunkFor(cpus: number, capacity: number): number {
  const wanted = Math.min(alignUp(capacity, SLOT_GRANULARITY), MAX_SLOTS_PER_CHUNK);
  const affordable = MAX_LEAF_BYTES_PER_CHUNK / 8 / 2 ** Math.ceil(Math.log2(cpus));
  return Math.min(wanted, affordable);
}

/**
 * Where each CPU's leaves begin. The stride is an odd number of cache lines: with equal offsets into their pages, all
 * leaves of a counter would share one set of the L1 cache and evict each other during a sum. If neighbouring CPUs are on
 * different NUMA nodes, the next area begins on another page, at the CPU's own line of 64 in it: no page then holds leaves
 * of two nodes.
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
 * @param cpus CPUs, 1 … 2^20.
 * @param capacity most live counters; `undefined`: as many as 4 GiB hold.
 * @param placement if given, leaves of CPUs of different NUMA nodes share no page.
 * @throws RangeError `ERR_OUT_OF_RANGE` for a number of CPUs out of range, or a capacity that needs more than 4 GiB.
 */
export function arenaLayout(cpus: number, capacity?: number, placement?: LeafPlacement): ArenaLayout {
  const shape = treeShape(cpus);
  const slotsPerChunk = slotsPerChunkFor(cpus, capacity ?? MAX_SLOTS_PER_CHUNK);
  return layoutWith(shape, capacity, slotsPerChunk, leafOffsetsFor(cpus, slotsPerChunk, placement));
}

export function leafOffsetEntriesFor(shape: TreeShape): number {
  return Math.max(2 ** shape.order, MIN_LEAF_OFFSETS);
}

/** The layout for a known table of leaf offsets, as for attaching an arena. */
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
  // Roots are apart from items: a scan over many counters reads these lines alone, in order.
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

export function slotOfDescriptor(layout: ArenaLayout, descriptor: number): number {
  const chunk = Math.floor((descriptor - layout.firstChunk) / layout.chunkBytes);
  const within = descriptor - layout.firstChunk - chunk * layout.chunkBytes - layout.descriptorsOffset;
  return chunk * layout.slotsPerChunk + within / DESCRIPTOR_BYTES;
}
