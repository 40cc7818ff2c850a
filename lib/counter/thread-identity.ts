import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { codeOf } from '../errors.js';

/** PF_EXITING of include/linux/sched.h: the thread runs no further instruction of its program. */
const PF_EXITING = 4;
/** Low bits of an identity: the start time in clock ticks since boot. Above them the thread id, below 2^22 (proc(5), pid_max). */
const START_BITS = 41n;

interface ThreadStat {
  tid: number;
  flags: number;
  start: bigint;
}

/** @throws the system's error; Error where the file is not as proc(5) describes it. */
function readStat(path: string): ThreadStat {
  const text = readFileSync(path, 'latin1');
  // A thread's name can hold anything, parentheses included; field 3 follows the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const stat = { tid: Number.parseInt(text, 10), flags: Number(fields[6]), start: BigInt(fields[19] ?? '') };
  if (!(stat.tid > 0 && Number.isInteger(stat.flags) && stat.start > 0n)) throw new Error(`${path} is damaged`);
  return stat;
}

function identityOf({ tid, start }: ThreadStat): bigint {
  return (BigInt(tid) << START_BITS) | start;
}

let own: bigint | undefined;

/**
 * A number that no other thread of this process ever has: thread id and start time from /proc. Without /proc it is negative
 * and random; such a thread counts as alive until it reports its own end.
 */
export function ownIdentity(): bigint {
  if (own !== undefined) return own;
  try {
    own = identityOf(readStat('/proc/thread-self/stat'));
  } catch {
    own = -1n - (randomBytes(8).readBigUInt64LE() >> 2n);
  }
  return own;
}

/**
 * Whether this thread finds itself where it looks for others. It does not when /proc was unmounted or replaced, or when the
 * process was restored from a checkpoint with new start times. A missing thread means nothing then.
 */
function findsItself(): boolean {
  const identity = ownIdentity();
  try {
    return identity > 0n && identityOf(readStat(statPath(identity))) === identity;
  } catch {
    return false;
  }
}

function statPath(identity: bigint): string {
  return `/proc/self/task/${identity >> START_BITS}/stat`;
}

/** Whether the thread of that identity has certainly ended. */
export function isThreadGone(identity: bigint): boolean {
  if (identity <= 0n || identity === ownIdentity()) return false;
  let gone: boolean;
  try {
    const stat = readStat(statPath(identity));
    gone = identityOf(stat) !== identity || (stat.flags & PF_EXITING) !== 0;
  } catch (error) {
    // ENOENT: no such thread. ESRCH: it ended between the opening and the reading.
    const code = codeOf(error);
    gone = code === 'ENOENT' || code === 'ESRCH';
  }
  // Checked after the other thread was read: if this thread is found now, it could be found then.
  return gone && findsItself();
}
