import { PercpuError } from '../errors.js';
import type { ArenaMemory } from './arena-memory.js';
import type { CounterEngine } from './engine.js';
import { type ArenaLayout, CACHE_LINE, DESCRIPTOR_BYTES, Descriptor, Header, slotAddresses } from './layout.js';
import { ArenaOwners, NO_OWNER } from './owners.js';

/**
 * Milliseconds that the memory of a destroyed counter stays in quarantine when other threads may have known the counter.
 * An add first checks that its counter is alive, then adds: a thread that loses its CPU between the two adds to the old
 * place when it runs again. The quarantine is longer than a thread waits for a CPU.
 */
export const QUARANTINE_MS = 1000;

/** Most time that one claim waits for slots that other threads are claiming. */
const RIVALS_MS = 100;
/** When to try again after other claims or native runs held the slots. */
const RETRY_MS = 10;

/** The root, then the bias. */
const ROOT_BYTES = 16;
const ROOTS_PER_LINE = CACHE_LINE / ROOT_BYTES;

/** Milliseconds of a clock that never goes back, from 1 to 2^31 - 1: for `elapsed`. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  // 0 means "no quarantine"; the clock wraps at 2^31 ms, and only differences are taken.
  return ((seconds * 1000 + Math.floor(nanoseconds / 1e6)) & 0x7fff_ffff) | 1;
}

/** Milliseconds from one reading of the clock to a later one. */
export function elapsed(since: number): number {
  return (monotonicMs() - since) & 0x7fff_ffff;
}

/** The first 64 bits of a descriptor. */
function stateOf(generation: number, owner: number): bigint {
  return (BigInt(owner) << 32n) | BigInt(generation >>> 0);
}

/**
 * Hands out and takes back the slots of an arena, from any thread, without locks. A thread can be terminated between any
 * two instructions here. Each change of state is therefore one atomic operation on the 64-bit word of a slot's generation
 * and owner: at every moment a slot is free or has an owner. Some operations change one 32-bit half; on x86-64 and arm64
 * such accesses are ordered with those of the whole word.
 *
 *   generation even, owner 0        free
 *   generation even, owner token    being claimed by that thread: zeroed and written, invisible to every handle
 *   generation odd,  owner token    live; destroyed at the latest when that thread ends
 *   generation odd,  owner -1       live and shared: outlives its maker
 *
 * free -> claimed -> live: by the claiming thread.
 * live -> shared: by the maker, the only thread that knows the counter.
 * live or shared -> free: by any thread, with the generation of its handle; one of several wins.
 * claimed or live -> free: by any thread once the owner has ended, with the owner's token. No later thread has that token,
 *   and the owner changes nothing any more, so no live slot of another owner is freed.
 *
 * The generation grows by one with live and with free, so a delayed compare-and-swap fails, unless 2^31 counters have lived
 * in the slot since. Only the claiming thread writes the other words of a descriptor.
 */
export class SlotAllocator {
  readonly #memory: ArenaMemory;
  readonly #layout: ArenaLayout;
  readonly #engine: CounterEngine;
  readonly #onNewChunk: (chunk: number) => void;
  readonly #owners: ArenaOwners;
  /** Milliseconds until the first slot that a search found free but not usable becomes usable. */
  #shortestWait = Number.POSITIVE_INFINITY;
  /** Whether a search met a slot that another thread is claiming. */
  #metRival = false;
  /** When the current claim began to wait for rivals; `undefined` while it skips them. */
  #waitingSince: number | undefined;

  /** @param onNewChunk called with a new chunk's number before any of its memory is used. */
  constructor(memory: ArenaMemory, layout: ArenaLayout, engine: CounterEngine, onNewChunk: (chunk: number) => void) {
    this.#memory = memory;
    this.#layout = layout;
    this.#engine = engine;
    this.#onNewChunk = onNewChunk;
    this.#owners = new ArenaOwners(memory, layout);
  }

  /** Live counters of all threads that have not ended. O(slots of the existing chunks). */
  get live(): number {
    this.#sweep();
    let live = 0;
    this.#forEachSlot((words, at) => {
      live += Atomics.load(words, at + Descriptor.GENERATION) & 1;
    });
    return live;
  }

  /**
   * Claims `count` adjacent slots for counters of this batch size and initial value.
   *
   * @returns the number of the first slot.
   * @throws PercpuError `ERR_ARENA_FULL`, with nothing claimed.
   */
  claim(count: number, batchSize: number, initial = 0): number {
    const token = this.#ownToken();
    const slot = this.#reserve(count, token, true);
    for (let i = 0; i < count; i++) this.#initialise(slot + i, i % ROOTS_PER_LINE, batchSize, initial);
    // A thread terminated from here on leaves live counters that still have its token.
    for (let i = 0; i < count; i++) this.#publish(slot + i);
    Atomics.store(this.#memory.words, Header.FIRST_FREE, slot + count);
    return slot;
  }

  /** @throws PercpuError `ERR_ARENA_FULL`, without `retryAfterMs`, for more counters than the arena can ever hold. */
  requireCapacity(count: number): void {
    if (count <= this.#layout.capacity) return;
    this.#shortestWait = Number.POSITIVE_INFINITY;
    this.#metRival = false;
    throw this.#full(count);
  }

  /**
   * Checks that `claim` finds room for these runs, one after the other. Claims nothing, and does not wait for rivals.
   *
   * @throws PercpuError `ERR_ARENA_FULL`, as `claim`.
   */
  requireRoom(runs: readonly number[]): void {
    const token = this.#ownToken();
    const reserved: [slot: number, count: number][] = [];
    try {
      for (const count of runs) reserved.push([this.#reserve(count, token, false), count]);
    } finally {
      for (const [slot, count] of reserved) for (let i = 0; i < count; i++) this.#giveUp(slot + i);
    }
  }

  /** Whether the search that last failed met slots that other threads were claiming, and none that time will free. */
  get waitsForRivalsAlone(): boolean {
    return this.#metRival && this.#shortestWait === Number.POSITIVE_INFINITY;
  }

  #ownToken(): number {
    return this.#owners.own(() => this.#sweep());
  }

  /** Claims slots without writing to them. @param mayWait for rivals, which blocks the thread. */
  #reserve(count: number, token: number, mayWait: boolean): number {
    const { words } = this.#memory;
    this.#waitingSince = undefined;
    for (;;) {
      this.#shortestWait = Number.POSITIVE_INFINITY;
      this.#metRival = false;
      const chunks = Atomics.load(words, Header.CHUNKS);
      const hint = Math.max(0, Atomics.load(words, Header.FIRST_FREE));
      let slot = this.#search(hint, chunks, count, token);
      if (slot < 0 && hint > 0) slot = this.#search(0, chunks, count, token);
      if (slot >= 0) return slot;
      if (this.#sweep() > 0 || this.#addChunk(chunks)) continue;
      // A rival may give up its slots because it lacks one of ours. Once every thread waits for its rival, one of them
      // advances: runs are claimed in ascending order, so no two threads wait for each other.
      if (!mayWait || !this.#metRival || this.#waitingSince !== undefined) break;
      this.#waitingSince = monotonicMs();
    }
    throw this.#full(count);
  }

  #full(count: number): PercpuError {
    const retryAfterMs = Math.min(this.#shortestWait, this.#metRival ? RETRY_MS : Number.POSITIVE_INFINITY);
    const waiting = retryAfterMs !== Number.POSITIVE_INFINITY;
    const error = new PercpuError(
      'ERR_ARENA_FULL',
      `The arena has no room for ${count === 1 ? 'another counter' : `${count} counters side by side`}: ` +
        `${this.live} of ${this.#layout.capacity} are live` +
        (waiting ? `; there may be room in ${retryAfterMs} ms (await arena.ready(${count}))` : ''),
    );
    return waiting ? Object.assign(error, { retryAfterMs }) : error;
  }

  /** Frees a slot. @returns false when the generation has changed: another thread destroyed the counter before. */
  release(slot: number, generation: number): boolean {
    const { words, longs } = this.#memory;
    const at = this.#descriptorIndex(slot);
    for (;;) {
      const owner = Atomics.load(words, at + Descriptor.OWNER);
      // Read after the owner: if the generation is still ours, the owner is too, shared or not.
      if (Atomics.load(words, at + Descriptor.GENERATION) !== generation) return false;
      // Written before the slot becomes free, because the next claim reads it then. A late write, to a slot that was
      // destroyed and claimed again, only prolongs a quarantine.
      if (owner === NO_OWNER) Atomics.store(words, at + Descriptor.QUARANTINED, monotonicMs());
      const before = stateOf(generation, owner);
      const found = Atomics.compareExchange(longs, at / 2, before, stateOf(generation + 1, 0));
      if (found === before) break;
    }
    this.#hint(slot);
    return true;
  }

  /** Frees the slots of this thread. It must not use its counters afterwards, except shared ones. */
  leave(): void {
    this.#owners.leave((tokens) => this.#giveBack(tokens));
  }

  /** Frees the slots of threads that have ended. @returns how many. */
  #sweep(): number {
    return this.#owners.sweep((tokens) => this.#giveBack(tokens));
  }

  /**
   * Frees the slots of owners that have ended, without quarantine: no other thread knew their counters, and native runs
   * pin theirs.
   */
  #giveBack(tokens: ReadonlySet<number>): number {
    let freed = 0;
    this.#forEachSlot((words, at, slot) => {
      const owner = Atomics.load(words, at + Descriptor.OWNER);
      if (owner === 0 || !tokens.has(owner)) return;
      const generation = Atomics.load(words, at + Descriptor.GENERATION);
      const before = stateOf(generation, owner);
      const after = stateOf((generation + 1) & ~1, 0);
      if (Atomics.compareExchange(this.#memory.longs, at / 2, before, after) !== before) return;
      freed++;
      this.#hint(slot);
    });
    return freed;
  }

  #hint(slot: number): void {
    const { words } = this.#memory;
    if (slot < Atomics.load(words, Header.FIRST_FREE)) Atomics.store(words, Header.FIRST_FREE, slot);
  }

  /** @param visit receives the memory of all chunks, the index of the descriptor's first word, and the slot's number. */
  #forEachSlot(visit: (words: Int32Array, at: number, slot: number) => void): void {
    const { slotsPerChunk, capacity } = this.#layout;
    const chunks = Atomics.load(this.#memory.words, Header.CHUNKS);
    if (chunks > 0) this.#memory.ensure(this.#endOfChunk(chunks - 1));
    const { words } = this.#memory;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const first = chunk * slotsPerChunk;
      const end = Math.min(first + slotsPerChunk, capacity);
      let at = this.#descriptorIndex(first);
      for (let slot = first; slot < end; slot++, at += DESCRIPTOR_BYTES / 4) visit(words, at, slot);
    }
  }

  /** Whether the slot's chunk exists; this thread can then use its memory. */
  exists(slot: number): boolean {
    const chunk = Math.floor(slot / this.#layout.slotsPerChunk);
    if (chunk >= Atomics.load(this.#memory.words, Header.CHUNKS)) return false;
    this.#memory.ensure(this.#endOfChunk(chunk));
    return true;
  }

  generation(slot: number): number {
    return Atomics.load(this.#memory.words, this.#descriptorIndex(slot) + Descriptor.GENERATION);
  }

  /**
   * Marks that other threads may know the counter: it outlives its maker, and its memory is quarantined when it is
   * destroyed.
   *
   * @returns false when the generation has changed.
   */
  markShared(slot: number, generation: number): boolean {
    const { words, longs } = this.#memory;
    const at = this.#descriptorIndex(slot);
    const owner = Atomics.load(words, at + Descriptor.OWNER);
    if (Atomics.load(words, at + Descriptor.GENERATION) !== generation) return false;
    if (owner === NO_OWNER) return true;
    const before = stateOf(generation, owner);
    Atomics.compareExchange(longs, at / 2, before, stateOf(generation, NO_OWNER));
    return Atomics.load(words, at + Descriptor.GENERATION) === generation;
  }

  /** @returns the batch size of a live counter; 0 when its descriptor is not as `#initialise` writes it. */
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
   * @param place which of the four roots of a cache line is the slot's. Counters made together use the line of the first
   *   of four. Place p of slot s's line belongs to slot s + p alone, so slots are reused one by one.
   */
  #root(slot: number, place: number): number {
    return slotAddresses(this.#layout, slot - place).root + place * ROOT_BYTES;
  }

  #descriptorIndex(slot: number): number {
    return slotAddresses(this.#layout, slot).descriptor / 4;
  }

  /** First fit from a slot on. A run lies within one chunk and begins where its leaves share cache lines. */
  #search(from: number, chunks: number, count: number, token: number): number {
    const { slotsPerChunk, capacity } = this.#layout;
    const alignment = Math.min(8, 2 ** Math.ceil(Math.log2(count)));
    const end = Math.min(chunks * slotsPerChunk, capacity);
    if (chunks > 0) this.#memory.ensure(this.#endOfChunk(chunks - 1));
    for (let chunk = Math.floor(from / slotsPerChunk); chunk < chunks; chunk++) {
      const first = chunk * slotsPerChunk;
      const last = Math.min(first + slotsPerChunk, end) - count;
      let slot = Math.max(first, Math.ceil(from / alignment) * alignment);
      while (slot <= last) {
        const claimed = this.#claimRun(slot, count, token);
        if (claimed === count) return slot;
        slot = Math.ceil((slot + claimed + 1) / alignment) * alignment;
      }
    }
    return -1;
  }

  /** Claims `count` slots from `slot` on. When one is not free, gives up those before it and returns their number. */
  #claimRun(slot: number, count: number, token: number): number {
    for (let i = 0; i < count; i++) {
      if (this.#claimSlot(this.#descriptorIndex(slot + i), token)) continue;
      for (let back = i; back-- > 0; ) this.#giveUp(slot + back);
      return i;
    }
    return count;
  }

  #claimSlot(at: number, token: number): boolean {
    const { words } = this.#memory;
    for (;;) {
      const owner = Atomics.load(words, at + Descriptor.OWNER);
      const generation = Atomics.load(words, at + Descriptor.GENERATION);
      if ((generation & 1) !== 0) return false;
      if (owner === 0) {
        // Read after the generation: a native run first counts its pin, then reads the generation.
        if (!this.#isUsable(at)) return false;
        // Comparing the owner is enough: without an owner the generation is even.
        if (Atomics.compareExchange(words, at + Descriptor.OWNER, 0, token) !== 0) continue;
        if (Atomics.load(words, at + Descriptor.GENERATION) === generation) return true;
        // Another thread claimed and destroyed it in between: it may be quarantined or pinned now.
        Atomics.store(words, at + Descriptor.OWNER, 0);
      } else if (!this.#awaitRival(at, owner)) return false;
    }
  }

  /** Waits up to 1 ms for another thread's claim to end. @returns false when the slot is to be skipped. */
  #awaitRival(at: number, owner: number): boolean {
    this.#metRival = true;
    const since = this.#waitingSince;
    if (since === undefined || elapsed(since) >= RIVALS_MS) return false;
    try {
      // Returns at once when the owner has changed. No thread wakes it: longer claims are rare.
      Atomics.wait(this.#memory.words, at + Descriptor.OWNER, owner, 1);
    } catch {
      // Some threads must not wait, such as a browser window's main thread: they poll.
    }
    return true;
  }

  // While this thread lives, no other thread changes a slot that it claims: a plain store to half of the state suffices.

  #giveUp(slot: number): void {
    Atomics.store(this.#memory.words, this.#descriptorIndex(slot) + Descriptor.OWNER, 0);
  }

  /** Sequentially consistent: a thread that sees the slot live sees what it holds. */
  #publish(slot: number): void {
    const at = this.#descriptorIndex(slot) + Descriptor.GENERATION;
    Atomics.store(this.#memory.words, at, Atomics.load(this.#memory.words, at) + 1);
  }

  /** Whether a free slot is usable; if not, updates `#shortestWait`. */
  #isUsable(at: number): boolean {
    const { words } = this.#memory;
    if (Atomics.load(words, at + Descriptor.PINS) !== 0) {
      this.#shortestWait = Math.min(this.#shortestWait, RETRY_MS);
      return false;
    }
    const since = Atomics.load(words, at + Descriptor.QUARANTINED);
    if (since === 0) return true;
    // The clock is read after the word, so `since` is never in the future.
    const left = QUARANTINE_MS - elapsed(since);
    if (left > 0) this.#shortestWait = Math.min(this.#shortestWait, left);
    return left <= 0;
  }

  /** @param place as for `#root`. */
  #initialise(slot: number, place: number, batchSize: number, initial: number): void {
    const { words } = this.#memory;
    const { descriptor, leaf, items } = slotAddresses(this.#layout, slot);
    const root = this.#root(slot, place);
    const at = descriptor / 4;
    const used = words[at + Descriptor.BATCH] !== 0;
    // The batch size first: if this thread ends midway, the slot counts as used.
    Atomics.store(words, at + Descriptor.BATCH, batchSize);
    words[at + Descriptor.LEAF] = leaf;
    words[at + Descriptor.ITEMS] = items;
    words[at + Descriptor.ROOT] = root;
    Atomics.store(words, at + Descriptor.QUARANTINED, 0);
    // Memory that was never used is zero, and stays untouched until the first add.
    if (used) this.#engine.clear(descriptor, this.#layout.itemLines);
    if (initial !== 0) this.#engine.set(descriptor, initial);
  }

  #endOfChunk(chunk: number): number {
    return this.#layout.firstChunk + (chunk + 1) * this.#layout.chunkBytes;
  }

  /**
   * Adds a chunk, unless another thread has since `chunks` was read.
   *
   * @returns false at the arena's capacity.
   */
  #addChunk(chunks: number): boolean {
    const { words } = this.#memory;
    if (Atomics.load(words, Header.CHUNKS) !== chunks) return true;
    if (chunks >= this.#layout.maxChunks) return false;
    this.#memory.ensure(this.#endOfChunk(chunks));
    this.#onNewChunk(chunks);
    // Threads that add the same chunk do the same work; one of them counts it.
    Atomics.compareExchange(words, Header.CHUNKS, chunks, chunks + 1);
    return true;
  }
}
