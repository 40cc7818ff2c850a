/**
 * All that the addon exports; native/binding/ documents each function. Internal: the arguments were checked before.
 */
export interface NativeAddon {
  readonly version: string;
  currentCpu(): number;
  /** A view of the calling thread's `struct rseq` from `cpu_id` on, or why there is none. */
  openCpuId(): Int32Array | string;
  /** CPU numbers, or a negated errno. */
  getAffinity(tid: number): Uint32Array | number;
  /** 0, or a negated errno. */
  setAffinity(cpus: Uint32Array, tid: number): number;
  pageBytes(): number;
  /** Asks the kernel to allocate a range on a node at first touch; 0, or a negated errno. */
  placeOnNode(bytes: Uint8Array, offset: number, length: number, node: number): number;
  /**
   * Starts native threads, pinned to their CPUs. Returns 0; or 1 if the counter is destroyed, or a negated errno, and then
   * `done` is not called. A counter that is destroyed during the run keeps its memory until the run is over.
   *
   * @param strategy 'tree', or one for benchmarks: 'private-atomic', 'shared-atomic', 'rseq'. Those ignore words,
   *   descriptor and generation.
   * @param cpus one entry per thread.
   * @param stop one word: the threads end soon once it is not 0.
   * @param done gets 0 or the errno of what failed before any thread added; the system call that did; the CPU it failed
   *   for, or -1; the figures of `RUN_FIELDS` (lib/counter/run-on-cpus.ts) for each thread.
   */
  startRun(
    words: Int32Array | undefined,
    descriptor: number,
    generation: number,
    strategy: string,
    delta: number,
    iterations: number,
    cpus: Uint32Array,
    stop: Int32Array,
    done: (errno: number, syscall: string, failedCpu: number, threads: Float64Array) => void,
  ): number;
  /** Resident set of this process in pages, from a /proc file that stays open, or a negated errno. */
  ownResidentPages(): number;
  /**
   * Reads the calling process, as /proc has it, into `row` (`ROW_BYTES` of lib/proc/files/native-row.ts), from files that
   * stay open.
   *
   * @param want bits: lib/proc/files/process-row.ts.
   * @returns 0, or negated `errno + 4096 * file`: `file` is the number of the failed file in `FILES`, or one more for the
   *   root.
   */
  readOwnProcess(want: number, row: Uint8Array): number;
  /** As above, for a process of any proc tree; `pid` 0 is the calling process. */
  readProcess(root: string, pid: number, want: number, row: Uint8Array): number;
  /** A scanner that keeps up to `maxOpenFiles` files open until it is closed or collected; undefined without memory. */
  openScanner(root: string, maxOpenFiles: number): object | undefined;
  /**
   * Reads processes on libuv's thread pool.
   *
   * @param pids default: every process.
   * @param stop one word: the scan ends soon, with ECANCELED, once it is not 0.
   * @param done gets 0 or an errno, rows of `ROW_BYTES`, how many, and the files now held open.
   */
  scanProcesses(
    scanner: object,
    pids: Uint32Array | undefined,
    want: number,
    stop: Int32Array,
    done: (errno: number, rows: ArrayBuffer, count: number, openFiles: number) => void,
  ): number;
  /** Idempotent; stops a running scan. */
  closeScanner(scanner: object): void;
  /** The figures of `DRIFT_FIELDS` (lib/proc/accounting/observations.ts), or a negated errno. */
  probeAccounting(touchCpu: number, readCpu: number, batchPages: number): Float64Array | number;
}
