import { vi } from 'vitest';

/**
 * A monotonic clock that only moves when it is told to, or when somebody sleeps: `process.hrtime()` reads it and
 * `Atomics.wait()` on this thread moves it on instead of waiting.
 */
export class FakeClock {
  ms = 5_000_000;
  /** How long callers have slept in all. */
  sleptMs = 0;
  /** What other threads do while a caller sleeps. */
  onSleep = () => {};

  install(): this {
    const hrtime = () => [Math.floor(this.ms / 1_000), (this.ms % 1_000) * 1e6] as [number, number];
    vi.spyOn(process, 'hrtime').mockImplementation(
      Object.assign(hrtime, { bigint: () => BigInt(this.ms) * 1_000_000n }),
    );
    vi.spyOn(Atomics, 'wait').mockImplementation((...[, , , timeout]: unknown[]) => {
      if (typeof timeout !== 'number' || !Number.isFinite(timeout)) throw new Error('this would sleep for ever');
      this.ms += timeout;
      this.sleptMs += timeout;
      this.onSleep();
      return 'timed-out';
    });
    return this;
  }
}
