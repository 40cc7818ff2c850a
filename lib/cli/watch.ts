import { createLogUpdate } from 'log-update';

const PIPED_ROWS = 27;
/** How long the last bytes may take after a signal. */
const LAST_WRITE_MS = 100;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface WatchOptions {
  intervalMs: number;
  /** Redraw in place if stdout is a terminal; else write one text after the other. */
  inPlace: boolean;
  /** Reads once. The function it returns makes the text, again when the terminal's size changes. */
  draw(signal: AbortSignal): Promise<(rows: number) => string>;
}

/**
 * Draws repeatedly until SIGINT, SIGTERM or SIGHUP, which are a normal end: the last text stays, and the cursor is restored.
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
    // A stalled reader gets only the newest text once it continues, so the buffer does not grow.
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

/** Bytes that a stalled reader has not taken would keep the process alive. */
function endWithoutReader(): void {
  setTimeout(() => process.exit(), LAST_WRITE_MS).unref();
}

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
