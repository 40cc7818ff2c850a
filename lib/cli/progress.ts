const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 100;
const ERASE_LINE = '\r\x1b[2K';

interface Progress {
  /** Changes the text. It first shows after a tenth of a second, so that short steps show nothing. */
  step(text: string): void;
  /** Erases the line. Idempotent. */
  done(): void;
}

/** @returns a spinner if `stream` is a terminal that can erase a line; else it shows nothing. */
export function startProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY || process.env.TERM === 'dumb') return { step() {}, done() {} };
  let text = '';
  let frame = 0;
  let visible = false;
  const timer = setInterval(() => {
    const line = `${FRAMES[frame++ % FRAMES.length]} ${text}`;
    stream.write(`${ERASE_LINE}${line.slice(0, Math.max(1, (stream.columns || 80) - 1))}`);
    visible = true;
  }, FRAME_MS);
  return {
    step(next) {
      text = next;
    },
    done() {
      clearInterval(timer);
      if (visible) stream.write(ERASE_LINE);
      visible = false;
    },
  };
}
