import type { ProcessFiles } from './process-row.js';

/** What `scan` may be told. */
export interface ScanRequest {
  /** Processes, in the order in which they are wanted; without it every process, by ascending pid. */
  pids?: readonly number[];
  /** {@link Want} bits. */
  want: number;
  signal?: AbortSignal;
}

/** Reads many processes again and again; the files of the first ones seen stay open in between. */
export interface Scanner {
  /** Files held open at this moment. */
  readonly openFiles: number;
  /**
   * One process that ends meanwhile, or whose files cannot be read or make no sense, is left out. One scan at a time.
   *
   * @throws PercpuError for a root that cannot be listed; `ABORT_ERR`.
   */
  scan(request: ScanRequest): Promise<ProcessFiles[]>;
  /** Gives everything back; a scan that is running ends first. Idempotent. */
  close(): void;
}

/** Reads the files of processes: the addon does, or TypeScript; both alike. */
export interface ProcReader {
  /**
   * @param root a directory like /proc, without a slash at the end.
   * @param want {@link Want} bits.
   * @throws PercpuError: see `processError`; the root's own errors.
   */
  readOne(root: string, pid: number | 'self', want: number): ProcessFiles;
  openScanner(root: string, maxOpenFiles: number): Scanner;
}
