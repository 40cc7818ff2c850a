const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 100;
const ERASE_LINE = '\r\x1b[2K';

/** One line that tells what is going on, until it is done. */
interface Progress {
  /** Changes the text. It first shows after a tenth of a second, so that what is over in a blink shows nothing. */
  step(text: string): void;
  /** Erases the line. Idempotent. */
  done(): void;
}

/** @returns a spinner where `stream` is a terminal that can erase a line, else nothing that is ever seen. */
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
