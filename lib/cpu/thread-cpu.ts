import { threadId } from 'node:worker_threads';
import { native } from '../native/native.js';

/** How a thread learns its CPU number: from the kernel's rseq area, by a system call now and then, or not at all. */
export type CpuSource = 'rseq' | 'getcpu' | 'thread';

/** How the calling thread's adds choose their leaf. */
interface ThreadCpu {
  readonly source: CpuSource;
  /** Why it is not a better one; empty for 'rseq'. */
  readonly reason: string;
  /**
   * One word: the CPU number. With 'rseq' a window onto memory that the kernel writes: it must never reach user code,
   * since it is gone when the thread is.
   */
  readonly view: Int32Array;
}

function readLimit(): string | undefined {
  try {
    return process.env.PERCPU_CPU_SOURCE;
  } catch {
    return undefined;
  }
}

// Where the CPU is not known, a thread's own number (0: the main thread, workers from 1) keeps threads apart.
function open(): ThreadCpu {
  const limit = readLimit();
  const { addon } = native;
  if (!addon || limit === 'thread') {
    const reason = addon ? 'PERCPU_CPU_SOURCE=thread' : 'no native addon';
    return { source: 'thread', reason, view: Int32Array.of(threadId) };
  }
  const cpuId = limit === 'getcpu' ? 'PERCPU_CPU_SOURCE=getcpu' : addon.openCpuId();
  if (typeof cpuId !== 'string') return { source: 'rseq', reason: '', view: cpuId };
  const cpu = addon.currentCpu();
  if (cpu < 0) return { source: 'thread', reason: `${cpuId}; no sched_getcpu`, view: Int32Array.of(threadId) };
  return { source: 'getcpu', reason: cpuId, view: Int32Array.of(cpu) };
}

/** The calling thread's source of CPU numbers, opened once when this module is loaded in the thread. */
export const threadCpu: ThreadCpu = open();

/**
 * With source 'getcpu': adds between two readings of the CPU number. One reading (a call into the addon, some 20 ns)
 * then costs a fraction of a nanosecond per add, and a thread that migrated is on its new CPU's leaf soon.
 */
export const ADDS_PER_GETCPU = 64;
