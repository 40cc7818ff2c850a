import type { ProcessFiles } from './process-row.js';

export interface ScanRequest {
  /** The processes to read, in this order; default: every process, by ascending pid. */
  pids?: readonly number[];
  /** {@link Want} bits. */
  want: number;
  signal?: AbortSignal;
}

/** Reads many processes repeatedly; the files of the first ones stay open in between. */
export interface Scanner {
  readonly openFiles: number;
  /**
   * Omits a process that ends during the scan, or whose files cannot be read or are malformed. One scan at a time.
   *
   * @throws PercpuError for a root that cannot be listed; `ABORT_ERR`.
   */
  scan(request: ScanRequest): Promise<ProcessFiles[]>;
  close(): void;
}

export interface ProcReader {
  /**
   * @param root a directory like /proc, without a slash at the end.
   * @param want {@link Want} bits.
   * @throws PercpuError as `processError` and `rootError`.
   */
  readOne(root: string, pid: number | 'self', want: number): ProcessFiles;
  openScanner(root: string, maxOpenFiles: number): Scanner;
}
