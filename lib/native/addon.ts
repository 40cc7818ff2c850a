/** The functions of the addon, documented in native/binding/. The callers check arguments. */
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
   * Starts native threads, pinned to their CPUs. A counter that is destroyed during the run keeps its memory until the
   * threads end.
   *
   * @param strategy 'tree', or one of the benchmarks': 'private-atomic', 'shared-atomic', 'rseq'. Those ignore words,
   *   descriptor and generation.
   * @param cpus one entry per thread.
   * @param stop one word: the threads end soon once it is not 0.
   * @param done receives 0 or the errno of a failure before any add; the system call that failed; its CPU, or -1; five
   *   numbers per thread: cpu, startCpu, endCpu, iterations done, elapsed nanoseconds.
   * @returns 0; 1 if the counter is destroyed, or a negated errno: `done` is not called then.
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
   * Reads the calling process into `row` (192 bytes), from /proc files that stay open.
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
   * @param done receives 0 or an errno, rows of 192 bytes, their number, and the number of open files.
   * @returns 0, or a negated errno (EBUSY during a scan of this scanner, EBADF after its end): `done` is not called then.
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
  /** What a short-lived child process observed of its RSS (native/proc/accounting_probe.h), or a negated errno. */
  probeAccounting(touchCpu: number, readCpu: number, batchPages: number): Float64Array | number;
  /** The C++ engine, one operation per call: for tests that compare all engines. */
  counterAdd(words: Int32Array, descriptor: number, generation: number, cpu: number, delta: number): number;
  counterSum(words: Int32Array, descriptor: number, precise: 0 | 1): bigint;
  counterLeaf(words: Int32Array, descriptor: number, cpu: number): bigint;
  counterSet(words: Int32Array, descriptor: number, value: number): void;
  counterClear(words: Int32Array, descriptor: number): void;
}
