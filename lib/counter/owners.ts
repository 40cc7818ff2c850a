import type { ArenaMemory } from './arena-memory.js';
import { type ArenaLayout, Header, OWNER_RECORD_BYTES, OWNER_RECORDS, OwnerRecord } from './layout.js';
import { isThreadGone, ownIdentity } from './thread-identity.js';

/** The token of slots that no thread's end gives back: those of counters that were shared, and of threads without a record. */
export const NO_OWNER = -1;

/**
 * The threads that own slots of an arena, by token: a positive number that is never used twice, so that work on behalf of an
 * owner that has ended cannot hit a later one. A token's record is number `token mod OWNER_RECORDS`.
 *
 * A record is free while its identity is 0. A thread takes one by compare-and-swap from 0 to its identity, then stores
 * its token, and only then claims slots with it. It can be terminated in between: the record then has the identity of a
 * thread that is gone and the token 0, and is cleared like any other. A record is cleared only after every slot of the
 * token was given back, the token before the identity. An owner therefore always has its record.
 */
export class ArenaOwners {
  readonly #memory: ArenaMemory;
  readonly #offset: number;
  #token = 0;

  constructor(memory: ArenaMemory, layout: ArenaLayout) {
    this.#memory = memory;
    this.#offset = layout.ownersOffset;
  }

  /**
   * This thread's token in this arena.
   *
   * @param makeRoom called where all records are taken: clears those of ended threads.
   * @returns `NO_OWNER` where more threads than there are records own slots, or the tokens are used up.
   */
  own(makeRoom: () => void): number {
    if (this.#token !== 0) return this.#token;
    let token = this.#register();
    if (token === NO_OWNER) {
      makeRoom();
      token = this.#register();
    }
    if (token !== NO_OWNER) this.#token = token;
    return token;
  }

  #register(): number {
    const { words, longs } = this.#memory;
    const identity = ownIdentity();
    const used = this.#usedRecords();
    let hasFree = used < OWNER_RECORDS;
    for (let index = 0; index < used; index++) {
      const record = this.#record(index);
      const found = Atomics.load(longs, record / 8);
      if (found === 0n) hasFree = true;
      if (found !== identity) continue;
      // This thread's, from before it let go of the arena and attached it again. So is the token, unless it is 0: a record
      // is cleared of an earlier owner's token before another thread can take it.
      const token = Atomics.load(words, (record + OwnerRecord.TOKEN) / 4);
      if (token > 0) return token;
    }
    // Each attempt uses up a token.
    if (!hasFree) return NO_OWNER;
    for (let attempt = 0; attempt < OWNER_RECORDS; attempt++) {
      const last = Atomics.load(words, Header.LAST_OWNER);
      // Negative only where the memory was damaged.
      if (last < 0 || last >= 2 ** 31 - 2) return NO_OWNER;
      if (Atomics.compareExchange(words, Header.LAST_OWNER, last, last + 1) !== last) continue;
      const token = last + 1;
      const record = this.#record(token % OWNER_RECORDS);
      if (Atomics.compareExchange(longs, record / 8, 0n, identity) !== 0n) continue;
      Atomics.store(words, (record + OwnerRecord.TOKEN) / 4, token);
      return token;
    }
    return NO_OWNER;
  }

  /**
   * Gives the slots of ended threads back, and then their records.
   *
   * @param giveBack frees the slots of these tokens, returns how many it freed. A thread that ends in it leaves the
   *   records as they were, and the next one does it again.
   * @returns how many slots were freed.
   */
  sweep(giveBack: (tokens: ReadonlySet<number>) => number): number {
    const { words, longs } = this.#memory;
    const used = this.#usedRecords();
    const tokens = new Set<number>();
    const ended: { record: number; identity: bigint; token: number }[] = [];
    for (let index = 0; index < used; index++) {
      const record = this.#record(index);
      const identity = Atomics.load(longs, record / 8);
      if (identity === 0n || !isThreadGone(identity)) continue;
      // Read after the owner has ended, so it is the last one that it stored. A record whose identity has changed by now
      // was cleared by another thread, and the token may be a new owner's.
      const token = Atomics.load(words, (record + OwnerRecord.TOKEN) / 4);
      if (Atomics.load(longs, record / 8) !== identity) continue;
      tokens.add(token);
      ended.push({ record, identity, token });
    }
    if (ended.length === 0) return 0;
    const freed = giveBack(tokens);
    for (const { record, identity, token } of ended) this.#clear(record, identity, token);
    return freed;
  }

  /** Gives back what this thread owns: for its end, where no other thread can see that. */
  leave(giveBack: (tokens: ReadonlySet<number>) => number): void {
    const token = this.#token;
    if (token === 0) return;
    giveBack(new Set([token]));
    this.#token = 0;
    this.#clear(this.#record(token % OWNER_RECORDS), ownIdentity(), token);
  }

  /**
   * Frees a record whose token has no slots left. Another thread may have done it, and a new owner have the record: it has
   * another token and another identity, and keeps both.
   */
  #clear(record: number, identity: bigint, token: number): void {
    const { words, longs } = this.#memory;
    Atomics.compareExchange(words, (record + OwnerRecord.TOKEN) / 4, token, 0);
    Atomics.compareExchange(longs, record / 8, identity, 0n);
  }

  /** Records from number 0 on that have ever been taken; 0 where the memory was damaged. */
  #usedRecords(): number {
    return Math.max(0, Math.min(Atomics.load(this.#memory.words, Header.LAST_OWNER) + 1, OWNER_RECORDS));
  }

  #record(index: number): number {
    return this.#offset + index * OWNER_RECORD_BYTES;
  }
}
