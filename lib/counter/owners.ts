import type { ArenaMemory } from './arena-memory.js';
import { type ArenaLayout, Header, OWNER_RECORD_BYTES, OWNER_RECORDS, OwnerRecord } from './layout.js';
import { isThreadGone, ownIdentity } from './thread-identity.js';

/** The token of slots that outlive their thread: of shared counters, and of threads without a record. */
export const NO_OWNER = -1;

/**
 * The threads that own slots of an arena, by token. A token is a positive number that is never used twice, so work for an
 * ended owner cannot affect a later one. The record of a token is number `token mod OWNER_RECORDS`.
 *
 * A record is free while its identity is 0. A thread takes one by compare-and-swap from 0 to its identity, then stores
 * its token, and only then claims slots with it. If it is terminated in between, the record has the identity of an ended
 * thread and the token 0, and is cleared like any other. A record is cleared after every slot of its token was freed, the
 * token before the identity: an owner always has its record.
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
   * @param makeRoom is called when all records are taken; it clears those of ended threads.
   * @returns `NO_OWNER` when more threads own slots than there are records, or all tokens are used up.
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
      // This thread's record, from before it dropped the arena and attached it again. A token other than 0 is this thread's
      // too: an earlier owner's token is cleared before another thread can take the record.
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
   * Frees the slots of ended threads, and then their records.
   *
   * @param giveBack frees the slots of these tokens and returns their number. If this thread ends in it, the records stay
   *   and the next sweep repeats the work.
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
      // Read after the owner has ended: the last token it stored. If the identity has changed since, another thread cleared
      // the record, and the token may be a new owner's.
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

  /** Frees the slots of this thread, for systems on which no other thread can see that it ends. */
  leave(giveBack: (tokens: ReadonlySet<number>) => number): void {
    const token = this.#token;
    if (token === 0) return;
    giveBack(new Set([token]));
    this.#token = 0;
    this.#clear(this.#record(token % OWNER_RECORDS), ownIdentity(), token);
  }

  /** Compares before it clears: another thread may have cleared the record, and a new owner may have taken it. */
  #clear(record: number, identity: bigint, token: number): void {
    const { words, longs } = this.#memory;
    Atomics.compareExchange(words, (record + OwnerRecord.TOKEN) / 4, token, 0);
    Atomics.compareExchange(longs, record / 8, identity, 0n);
  }

  /** Number of records, from 0 on, that have ever been taken; 0 when the memory was damaged. */
  #usedRecords(): number {
    return Math.max(0, Math.min(Atomics.load(this.#memory.words, Header.LAST_OWNER) + 1, OWNER_RECORDS));
  }

  #record(index: number): number {
    return this.#offset + index * OWNER_RECORD_BYTES;
  }
}
