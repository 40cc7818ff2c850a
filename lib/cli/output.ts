import { once } from 'node:events';
import { printable } from './text.js';

/** Writes one line on stderr: what it quotes from outside cannot steer the terminal. */
export function writeError(message: string): void {
  process.stderr.write(`percpu: ${printable(message)}\n`);
}

/** Writes on stdout, and waits until the reader has taken what fills the buffer. */
export async function writeOut(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
