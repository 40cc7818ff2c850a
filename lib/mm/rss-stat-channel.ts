import { channel } from 'node:diagnostics_channel';
import type { Mm, MmCounter } from './mm.js';

/** What is published on the diagnostics channel `percpu:rss_stat` at every change of an mm's counter. */
export interface RssStat {
  mm: Mm;
  /** The counter that changed. */
  member: MmCounter;
  /** Its size after the change in bytes: the precise sum, 0 where that is negative. */
  bytes: number;
}

/**
 * Named after the kernel's tracepoint (include/trace/events/kmem.h). Publishing sums the counter precisely; without a
 * subscriber a change costs one look at `hasSubscribers`.
 */
export const rssStat = channel('percpu:rss_stat');
