import { abortError } from '../../errors.js';
import type { NativeAddon } from '../../native/addon.js';
import { errnoName, processError, rootError } from './errors.js';
import { NativeRows, ROW_BYTES } from './native-row.js';
import { FILES, type ProcessFiles, Want } from './process-row.js';
import type { ProcReader, Scanner, ScanRequest } from './reader.js';

/** The number of the root itself among the files that can fail. */
const ROOT = FILES.length;

/** A failure of the addon is `errno + ERRNOS * file` in one number: more than there are errnos. */
export const ERRNOS = 4096;

class NativeScanner implements Scanner {
  readonly #addon: NativeAddon;
  readonly #root: string;
  readonly #scanner: object;
  /** The running scan ends soon once this is not 0. */
  #stop = new Int32Array(new SharedArrayBuffer(4));
  #scanning = false;
  openFiles = 0;

  constructor(addon: NativeAddon, root: string, maxOpenFiles: number) {
    this.#addon = addon;
    this.#root = root;
    const scanner = addon.openScanner(root, maxOpenFiles);
    if (!scanner) throw new RangeError('out of memory');
    this.#scanner = scanner;
  }

  scan({ pids, want, signal }: ScanRequest): Promise<ProcessFiles[]> {
    const stop = new Int32Array(new SharedArrayBuffer(4));
    this.#stop = stop;
    return new Promise((resolve, reject) => {
      const onAbort = () => Atomics.store(stop, 0, 1);
      const done = (errno: number, buffer: ArrayBuffer, count: number, openFiles: number) => {
        signal?.removeEventListener('abort', onAbort);
        this.#scanning = false;
        this.openFiles = openFiles;
        if (signal?.aborted) return reject(abortError(signal));
        if (errno !== 0) return reject(rootError(errnoName(errno), this.#root));
        const rows = new NativeRows(buffer);
        resolve(Array.from({ length: count }, (_, index) => rows.at(index)));
      };
      const list = pids && Uint32Array.from(pids);
      const error = this.#addon.scanProcesses(this.#scanner, list, want, stop, done);
      if (error !== 0) return reject(rootError(errnoName(-error), this.#root));
      this.#scanning = true;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  close(): void {
    Atomics.store(this.#stop, 0, 1);
    this.#addon.closeScanner(this.#scanner);
    // A scan under way says how it ended.
    if (!this.#scanning) this.openFiles = 0;
  }
}

/** Reads through the addon: one process on the calling thread, many on libuv's thread pool. */
export function nativeReader(addon: NativeAddon): ProcReader {
  const rows = new NativeRows(new ArrayBuffer(ROW_BYTES));
  return {
    readOne(root, pid, want) {
      // The files of the own process that stay open tell the CPU time of its first thread.
      const isOwn = pid === 'self' && root === '/proc' && (want & Want.CPU) === 0;
      const failure = isOwn
        ? -addon.readOwnProcess(want, rows.bytes)
        : -addon.readProcess(root, pid === 'self' ? 0 : pid, want, rows.bytes);
      if (failure === 0) return rows.at(0);
      const code = errnoName(failure % ERRNOS);
      const file = Math.floor(failure / ERRNOS);
      throw file === ROOT ? rootError(code, root) : processError(code, root, pid, FILES[file]!);
    },
    openScanner: (root, maxOpenFiles) => new NativeScanner(addon, root, maxOpenFiles),
  };
}
