import { closeSync, openSync, readSync } from 'node:fs';
import { FILES, type ProcessFile } from './process-files.js';

/** More than any of the files holds, but for the tail of a status with thousands of CPUs, which nobody reads here. */
const BUFFER_BYTES = 16 * 1024;
const buffer = Buffer.allocUnsafe(BUFFER_BYTES);

/** Descriptors of one process that stay open: stat, statm, status. */
export const KEPT_FILES = 3;

/** Reads one file of one process as text. */
export type ReadFile = (file: ProcessFile) => string;

function readDescriptor(descriptor: number): string {
  return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, BUFFER_BYTES, 0));
}

function readPath(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    return readDescriptor(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads one process's files by their paths. Its stat stays open from before the first to after the last: as long as that can
 * be read, nobody else has got the pid.
 *
 * @throws what opening stat throws, or `use`.
 */
export function withPaths<T>(directory: string, use: (read: ReadFile) => T): T {
  const stat = openSync(`${directory}/stat`, 'r');
  try {
    return use((file) => (file === 'stat' ? readDescriptor(stat) : readPath(`${directory}/${file}`)));
  } finally {
    closeSync(stat);
  }
}

/** The three files of one process, open. They stay bound to that process, whoever gets its pid. */
export class KeptFiles {
  readonly #descriptors: number[] = [];

  /** @throws what opening throws; nothing stays open then. */
  constructor(directory: string) {
    try {
      for (const file of FILES.slice(0, KEPT_FILES)) this.#descriptors.push(openSync(`${directory}/${file}`, 'r'));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  reader(directory: string): ReadFile {
    return (file) => {
      const descriptor = this.#descriptors[FILES.indexOf(file)];
      return descriptor === undefined ? readPath(`${directory}/${file}`) : readDescriptor(descriptor);
    };
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}
