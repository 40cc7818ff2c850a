import { once } from 'node:events';
import { printable } from './text.js';

/** Writes one line on stderr, without characters that control the terminal. */
export function writeError(message: string): void {
  process.stderr.write(`percpu: ${printable(message)}\n`);
}

/** Writes on stdout; when the buffer is full, waits for the reader. */
export async function writeOut(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
