import { PercpuError } from '../errors.js';
import type { ArenaMemory } from './arena-memory.js';
import type { CounterEngine } from './engine.js';
import { type ArenaLayout, CACHE_LINE, DESCRIPTOR_BYTES, Descriptor, Header, slotAddresses } from './layout.js';

/**
 * How long the memory of a destroyed counter rests, in milliseconds, before it can be another counter's, when other
 * threads may have known it. An add checks that its counter is alive and then adds; a thread that loses its CPU between
 * the two would add to whatever is there when it runs again. The rest is longer than a thread waits for a CPU.
 */
export const REST_MS = 1000;

/** A root and the bias behind it. */
const ROOT_BYTES = 16;
const ROOTS_PER_LINE = CACHE_LINE / ROOT_BYTES;

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  // 0 means "not resting"; the clock wraps at 2^31 ms, and only differences are taken.
  return ((seconds * 1000 + Math.floor(nanoseconds / 1e6)) & 0x7fff_ffff) | 1;
}

/**
 * Hands out and takes back the slots of an arena, from any thread, without locks: a thread that is terminated in the
 * middle can leave a slot unused, never another thread waiting.
 *
 * A slot's generation decides: even is free, odd is live. Claiming is a compare-and-swap from even to odd, releasing
 * one from the counter's odd generation to the next even one, so of several threads exactly one wins either. The
 * other words of a descriptor are written only by who owns the slot.
 */
export class SlotAllocator {
  readonly #memory: ArenaMemory;
  readonly #layout: ArenaLayout;
  readonly #engine: CounterEngine;
  readonly #onNewChunk: (chunk: number) => void;
  /** Milliseconds until the first slot that the search under way found resting is usable. */
  #shortestRest = Number.POSITIVE_INFINITY;

  /** @param onNewChunk called with a new chunk's number before any of its memory is used. */
  constructor(memory: ArenaMemory, layout: ArenaLayout, engine: CounterEngine, onNewChunk: (chunk: number) => void) {
    this.#memory = memory;
    this.#layout = layout;
    this.#engine = engine;
    this.#onNewChunk = onNewChunk;
  }

  /** Live counters of all threads. */
  get live(): number {
    return Atomics.load(this.#memory.words, Header.LIVE);
  }

  /**
   * Claims `count` slots next to each other, zeroed, for counters of that batch size.
   *
   * @returns the number of the first slot.
   * @throws PercpuError `ERR_ARENA_FULL`, with nothing claimed.
   */
  claim(count: number, batchSize: number): number {
    let slot: number;
    let slept = 0;
    for (;;) {
      this.#shortestRest = Number.POSITIVE_INFINITY;
      const chunks = Atomics.load(this.#memory.words, Header.CHUNKS);
      const hint = Math.max(0, Atomics.load(this.#memory.words, Header.FIRST_FREE));
      slot = this.#search(hint, chunks, count);
      if (slot < 0 && hint > 0) slot = this.#search(0, chunks, count);
      if (slot >= 0) break;
      if (this.#addChunk(chunks)) continue;
      // Enough for every slot that rests now; those that others destroy meanwhile are not waited for again and again.
      if (slept > REST_MS || !this.#sleepUntilRested()) break;
      slept += this.#shortestRest;
    }
    if (slot < 0) {
      throw new PercpuError(
        'ERR_ARENA_FULL',
        `The arena has no room for ${count === 1 ? 'another counter' : `${count} counters side by side`}: ` +
          `${this.live} of ${this.#layout.capacity} are live`,
      );
    }
    for (let i = 0; i < count; i++) this.#initialise(slot + i, i % ROOTS_PER_LINE, batchSize);
    Atomics.add(this.#memory.words, Header.LIVE, count);
    Atomics.store(this.#memory.words, Header.FIRST_FREE, slot + count);
    return slot;
  }

  /** Frees a slot. @returns false where that generation is gone: somebody destroyed the counter before. */
  release(slot: number, generation: number): boolean {
    const { words } = this.#memory;
    const descriptor = this.#descriptorIndex(slot);
    if (Atomics.load(words, descriptor + Descriptor.GENERATION) !== generation) return false;
    // Before the slot becomes free, since whoever finds it free looks at this word. Two threads that destroy the same
    // shared counter may both write, which only prolongs its rest.
    if (Atomics.load(words, descriptor + Descriptor.SHARED) !== 0) {
      Atomics.store(words, descriptor + Descriptor.SHARED, monotonicMs());
    }
    const won =
      Atomics.compareExchange(words, descriptor + Descriptor.GENERATION, generation, (generation + 1) | 0) ===
      generation;
    if (!won) return false;
    Atomics.sub(words, Header.LIVE, 1);
    if (slot < Atomics.load(words, Header.FIRST_FREE)) Atomics.store(words, Header.FIRST_FREE, slot);
    return true;
  }

  /** Whether the slot is one of a chunk that exists; this thread can then use its memory. */
  exists(slot: number): boolean {
    const chunk = Math.floor(slot / this.#layout.slotsPerChunk);
    if (chunk >= Atomics.load(this.#memory.words, Header.CHUNKS)) return false;
    this.#memory.ensure(this.#endOfChunk(chunk));
    return true;
  }

  /** The generation a slot has now; even where it is free. */
  generation(slot: number): number {
    return Atomics.load(this.#memory.words, this.#descriptorIndex(slot) + Descriptor.GENERATION);
  }

  /** Notes that other threads may know the slot from now on, so that it rests after its destruction. */
  markShared(slot: number): void {
    Atomics.store(this.#memory.words, this.#descriptorIndex(slot) + Descriptor.SHARED, 1);
  }

  /**
   * The batch size of a live counter of that generation.
   *
   * @returns 0 where its descriptor is not as `#initialise` writes it.
   */
  batchSize(slot: number): number {
    const { words } = this.#memory;
    const at = this.#descriptorIndex(slot);
    const { leaf, items } = slotAddresses(this.#layout, slot);
    const root = words[at + Descriptor.ROOT]! >>> 0;
    const places = Array.from({ length: Math.min(ROOTS_PER_LINE, slot + 1) }, (_, place) => this.#root(slot, place));
    if (words[at + Descriptor.LEAF]! >>> 0 !== leaf || words[at + Descriptor.ITEMS]! >>> 0 !== items) return 0;
    if (!places.includes(root)) return 0;
    const batchSize = words[at + Descriptor.BATCH]!;
    return batchSize >= 2 && (batchSize & (batchSize - 1)) === 0 ? batchSize : 0;
  }

  /**
   * @param place which of the roots on its cache line is the slot's: counters made together have theirs on the line of the
   *   first of four. Place p of slot s's line can only ever be slot s + p's, so slots are still reused one by one.
   */
  #root(slot: number, place: number): number {
    return slotAddresses(this.#layout, slot - place).root + place * ROOT_BYTES;
  }

  #descriptorIndex(slot: number): number {
    return slotAddresses(this.#layout, slot).descriptor / 4;
  }

  /** First fit from a slot on. Runs lie within one chunk and begin where their leaves share cache lines. */
  #search(from: number, chunks: number, count: number): number {
    const { slotsPerChunk, capacity } = this.#layout;
    const alignment = Math.min(8, 2 ** Math.ceil(Math.log2(count)));
    const end = Math.min(chunks * slotsPerChunk, capacity);
    if (chunks > 0) this.#memory.ensure(this.#endOfChunk(chunks - 1));
    for (let chunk = Math.floor(from / slotsPerChunk); chunk < chunks; chunk++) {
      const first = chunk * slotsPerChunk;
      const last = Math.min(first + slotsPerChunk, end) - count;
      let slot = Math.max(first, Math.ceil(from / alignment) * alignment);
      while (slot <= last) {
        const claimed = this.#claimRun(slot, count);
        if (claimed === count) return slot;
        slot = Math.ceil((slot + claimed + 1) / alignment) * alignment;
      }
    }
    return -1;
  }

  /** Claims up to `count` slots from `slot` on; gives all back and returns how many it had when one is not to be had. */
  #claimRun(slot: number, count: number): number {
    const { words } = this.#memory;
    let descriptor = this.#descriptorIndex(slot);
    for (let i = 0; i < count; i++, descriptor += DESCRIPTOR_BYTES / 4) {
      const generation = Atomics.load(words, descriptor + Descriptor.GENERATION);
      const usable = (generation & 1) === 0 && this.#isRested(descriptor);
      if (
        !usable ||
        Atomics.compareExchange(words, descriptor + Descriptor.GENERATION, generation, (generation + 1) | 0) !==
          generation
      ) {
        for (let back = descriptor, j = i; j > 0; j--) {
          back -= DESCRIPTOR_BYTES / 4;
          Atomics.sub(words, back + Descriptor.GENERATION, 1);
        }
        return i;
      }
    }
    return count;
  }

  /** Whether a free slot can be used; notes how long the first of those that cannot still has to rest. */
  #isRested(descriptor: number): boolean {
    const { words } = this.#memory;
    if (Atomics.load(words, descriptor + Descriptor.PINS) !== 0) return false;
    const since = Atomics.load(words, descriptor + Descriptor.SHARED);
    if (since === 0) return true;
    // The clock is read after the word: another thread's `since` is never in the future then.
    const left = REST_MS - ((monotonicMs() - since) & 0x7fff_ffff);
    if (left > 0) this.#shortestRest = Math.min(this.#shortestRest, left);
    return left <= 0;
  }

  /** @param place as for `#root`. */
  #initialise(slot: number, place: number, batchSize: number): void {
    const { words } = this.#memory;
    const { descriptor, leaf, items } = slotAddresses(this.#layout, slot);
    const root = this.#root(slot, place);
    const at = descriptor / 4;
    const used = words[at + Descriptor.BATCH] !== 0;
    words[at + Descriptor.BATCH] = batchSize;
    words[at + Descriptor.LEAF] = leaf;
    words[at + Descriptor.ITEMS] = items;
    words[at + Descriptor.ROOT] = root;
    Atomics.store(words, at + Descriptor.SHARED, 0);
    // Memory that was never used is zero, and stays untouched until somebody adds.
    if (used) this.#engine.clear(descriptor, this.#layout.itemLines);
  }

  #endOfChunk(chunk: number): number {
    return this.#layout.firstChunk + (chunk + 1) * this.#layout.chunkBytes;
  }

  /**
   * Adds a chunk to that many, unless another thread has.
   *
   * @returns false at the arena's capacity.
   */
  #addChunk(chunks: number): boolean {
    const { words } = this.#memory;
    if (Atomics.load(words, Header.CHUNKS) !== chunks) return true;
    if (chunks >= this.#layout.maxChunks) return false;
    this.#memory.ensure(this.#endOfChunk(chunks));
    this.#onNewChunk(chunks);
    // Threads that add the same chunk do the same; one of them counts it.
    Atomics.compareExchange(words, Header.CHUNKS, chunks, chunks + 1);
    return true;
  }

  /**
   * At the arena's capacity, sleeps until the first of the slots that the search found resting is usable: at most
   * `REST_MS`.
   *
   * @returns false where none was resting, or where this thread must not sleep (the main thread of a window, say).
   */
  #sleepUntilRested(): boolean {
    if (this.#shortestRest === Number.POSITIVE_INFINITY) return false;
    try {
      Atomics.wait(this.#memory.words, Header.NEVER, 0, this.#shortestRest);
      return true;
    } catch {
      return false;
    }
  }
}
