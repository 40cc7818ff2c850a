import { closeSync, openSync, readSync } from 'node:fs';
import { openRegularFile } from '../../regular-file.js';
import { FILES, type ProcessFile } from './process-row.js';

/** More than any of the files holds, except the end of a status with thousands of CPUs, which is not needed. */
const BUFFER_BYTES = 16 * 1024;
const buffer = Buffer.allocUnsafe(BUFFER_BYTES);

/** Descriptors of one process that stay open: stat, statm, status. */
export const KEPT_FILES = 3;

export type ReadFile = (file: ProcessFile) => string;

/** The directory of a process's or a thread's files. */
export interface ProcessDirectory {
  path: string;
  /**
   * Whether it is in /proc. Only the owner of this mount namespace can mount anything there, so all files are regular. In
   * another tree a file may be a FIFO, a device or a link.
   */
  own: boolean;
}

function open({ path, own }: ProcessDirectory, file: ProcessFile): number {
  return own ? openSync(`${path}/${file}`, 'r') : openRegularFile(`${path}/${file}`);
}

function readDescriptor(descriptor: number): string {
  return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, BUFFER_BYTES, 0));
}

function readNow(directory: ProcessDirectory, file: ProcessFile): string {
  const descriptor = open(directory, file);
  try {
    return readDescriptor(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads one process's files by their paths. Its stat stays open from before the first to after the last: while it can be
 * read, no other process has the pid.
 *
 * @throws what opening stat or `use` throws.
 */
export function withPaths<T>(directory: ProcessDirectory, use: (read: ReadFile) => T): T {
  const stat = open(directory, 'stat');
  try {
    return use((file) => (file === 'stat' ? readDescriptor(stat) : readNow(directory, file)));
  } finally {
    closeSync(stat);
  }
}

/** The three open files of one process. They stay bound to it, even if its pid is reused. */
export class KeptFiles {
  readonly #descriptors: number[] = [];

  /** @throws what opening throws; nothing stays open then. */
  constructor(directory: ProcessDirectory) {
    try {
      for (const file of FILES.slice(0, KEPT_FILES)) this.#descriptors.push(open(directory, file));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  reader(directory: ProcessDirectory): ReadFile {
    return (file) => {
      const descriptor = this.#descriptors[FILES.indexOf(file)];
      return descriptor === undefined ? readNow(directory, file) : readDescriptor(descriptor);
    };
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor);
  }
}
