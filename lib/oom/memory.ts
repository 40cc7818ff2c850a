/** A range of whole pages, both ends included: the true figure lies in it. */
export interface PageBounds {
  min: number;
  max: number;
}

/**
 * The memory of one task, in whole pages, as far as the OOM ranking needs it. A simulated `mm` and a real process both
 * implement it. "Precise" methods may cost O(cpus); all others are expected to be O(1).
 *
 * Every figure is a safe integer. `rssBounds()` holds `rssSum()` and `swap()` holds `swapSum()`, unless the memory changes
 * between the two calls.
 */
export interface OomMemory {
  /** Resident pages (file + anon + shmem), approximate. */
  rss(): number;
  /** Resident pages, precise. */
  rssSum(): number;
  /** Where `rssSum()` must lie, known without summing. */
  rssBounds(): PageBounds;
  /** Where `swapSum()` must lie, known without summing. */
  swap(): PageBounds;
  /** Swap entries, precise. One entry stands for one page. */
  swapSum(): number;
  /** Page-table bytes / page size, rounded down. */
  pageTablePages(): number;
}

/** One task as the OOM killer sees it. All flags default to `false`. */
export interface OomTask {
  /** An integer, 0 or more. Pid 1 is init and never killed. */
  pid: number;
  name?: string;
  /** `null` or missing: the task has given its memory back, as an exiting one does, and is not eligible. */
  mm?: OomMemory | null;
  /** `/proc/PID/oom_score_adj`, -1000 to 1000, default 0. At -1000 the task is never killed for its size. */
  oomScoreAdj?: number;
  /** Has no user memory; never killed. */
  kernelThread?: boolean;
  /** Between `vfork` and `exec`: the memory is its parent's. */
  inVfork?: boolean;
  /** Memory already reaped, or given up on: nothing to gain here. */
  skip?: boolean;
  /** Asked to be killed first (in the kernel: a task in `swapoff`, or one that makes KSM unmerge). */
  origin?: boolean;
  /** An earlier victim that has not exited yet. */
  dying?: boolean;
}
