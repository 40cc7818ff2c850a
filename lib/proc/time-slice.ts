import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortError } from '../errors.js';

/** How long work blocks the event loop at a time. */
const SLICE_MS = 4;

/** For work between turns of the event loop: `if (slice.isOver()) await slice.next(signal)`. */
export class TimeSlice {
  #end = performance.now() + SLICE_MS;

  isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** @throws (rejects) PercpuError `ABORT_ERR`. */
  async next(signal: AbortSignal | undefined): Promise<void> {
    await nextTurn();
    if (signal?.aborted) throw abortError(signal);
    this.#end = performance.now() + SLICE_MS;
  }
}
