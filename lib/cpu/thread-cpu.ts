import { threadId } from 'node:worker_threads';
import { native } from '../native/native.js';

/** How a thread learns its CPU number: from the kernel's rseq area, by a system call now and then, or not at all. */
export type CpuSource = 'rseq' | 'getcpu' | 'thread';

/** How the calling thread's adds choose their leaf. */
interface ThreadCpu {
  readonly source: CpuSource;
  /** Why no better source is used; empty for 'rseq'. */
  readonly reason: string;
  /**
   * One word: the CPU number. With 'rseq' it is a view of memory that the kernel writes. It must never reach user code,
   * because the memory ends with the thread.
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

// Without a CPU number, the thread's number (0: the main thread, workers from 1) gives threads separate leaves.
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

/** Opened once, when this module is loaded in the thread. */
export const threadCpu: ThreadCpu = open();

/**
 * With source 'getcpu': adds between two reads of the CPU number. A read (a call into the addon, some 20 ns) then costs a
 * fraction of a nanosecond per add, and a migrated thread soon uses its new CPU's leaf.
 */
export const ADDS_PER_GETCPU = 64;
