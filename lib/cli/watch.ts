import { createLogUpdate } from 'log-update';

const PIPED_ROWS = 27;
/** How long the last bytes may take, after a signal. */
const LAST_WRITE_MS = 100;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface WatchOptions {
  intervalMs: number;
  /** Redraw on the spot where stdout is a terminal; otherwise one text comes after the other. */
  inPlace: boolean;
  /** Looks once; what it returns makes the text, again when the terminal's size changes. */
  draw(signal: AbortSignal): Promise<(rows: number) => string>;
}

/**
 * Draws again and again until SIGINT, SIGTERM or SIGHUP, which are a normal end here: the last picture stays, the cursor is back.
 *
 * @throws what `draw` throws.
 */
export async function watch({ intervalMs, inPlace, draw }: WatchOptions): Promise<void> {
  const { stdout } = process;
  const update = inPlace && stdout.isTTY && process.env.TERM !== 'dumb' ? createLogUpdate(stdout) : undefined;
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  let text: ((rows: number) => string) | undefined;
  const show = () => {
    const picture = text?.(stdout.rows || PIPED_ROWS) ?? '';
    // A reader that stalls gets the newest picture once it reads on, and those between never: nothing piles up here.
    if (stdout.writableNeedDrain) return;
    if (update) update(picture.trimEnd());
    else stdout.write(picture);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  if (update) stdout.on('resize', show);
  try {
    for (let due = performance.now(); !stop.signal.aborted; ) {
      if (!stdout.writableNeedDrain) text = await draw(stop.signal);
      show();
      due = Math.max(due + intervalMs, performance.now());
      await pause(due - performance.now(), stop.signal);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    stdout.off('resize', show);
    update?.done();
    for (const signal of SIGNALS) process.off(signal, onSignal);
    if (stop.signal.aborted && stdout.writableLength > 0) endWithoutReader();
  }
}

/** What a stalled reader has not taken would keep the process alive until it does. */
function endWithoutReader(): void {
  setTimeout(() => process.exit(), LAST_WRITE_MS).unref();
}

/** Waits, or until the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    function end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
    if (signal.aborted) end();
  });
}
