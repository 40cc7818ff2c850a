/** A range of whole pages that holds the true figure, both ends included. */
export interface PageBounds {
  min: number;
  max: number;
}

/**
 * What the OOM ranking needs of a task's memory, in whole pages. A simulated `mm` and a real process implement it. Precise
 * methods may cost O(CPUs); all others should be O(1).
 *
 * Every figure is a safe integer. `rssSum()` lies within `rssBounds()` and `swapSum()` within `swap()`, unless the memory
 * changes between the two calls.
 */
export interface OomMemory {
  /** Resident pages (file + anon + shmem), approximate. */
  rss(): number;
  /** Resident pages, precise. */
  rssSum(): number;
  /** The range of `rssSum()`, known without summing. */
  rssBounds(): PageBounds;
  /** The range of `swapSum()`, known without summing. */
  swap(): PageBounds;
  /** Swap entries, precise. One entry stands for one page. */
  swapSum(): number;
  /** Page-table bytes / page size, rounded down. */
  pageTablePages(): number;
}

/** A task as the OOM killer sees it. All flags default to `false`. */
export interface OomTask {
  /** An integer, 0 or more. Pid 1 is init and never killed. */
  pid: number;
  name?: string;
  /** `null` or missing: the task has freed its memory, as when it exits, and is not eligible. */
  mm?: OomMemory | null;
  /** `/proc/PID/oom_score_adj`, -1000 to 1000, default 0. At -1000 the task is never killed for its size. */
  oomScoreAdj?: number;
  /** A kernel thread has no user memory and is never killed. */
  kernelThread?: boolean;
  /** Between `vfork` and `exec`, the memory is the parent's. */
  inVfork?: boolean;
  /** Its memory was reaped, or reaping failed: killing it frees nothing. */
  skip?: boolean;
  /** Asked to be killed first (in the kernel, a task in `swapoff` or one that makes KSM unmerge). */
  origin?: boolean;
  /** An earlier victim that has not exited yet. */
  dying?: boolean;
}
