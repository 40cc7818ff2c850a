import type { OomMemory, OomTask } from '../../lib/oom/memory.js';

/** What a fake memory says; pages. Bounds default to the truth itself, the approximate RSS to its lower bound. */
export interface Figures {
  rss: number;
  rssBelow?: number;
  rssAbove?: number;
  approximate?: number;
  swap?: number;
  swapBelow?: number;
  swapAbove?: number;
  pageTables?: number;
}

/** An `OomMemory` whose truth is known, and which counts how often it was summed. */
export class FakeMemory implements OomMemory {
  sums = 0;
  readonly figures: Required<Figures>;

  constructor({ rss, rssBelow = 0, rssAbove = 0, swap = 0, swapBelow = 0, swapAbove = 0, ...rest }: Figures) {
    const { approximate = rss - rssBelow, pageTables = 0 } = rest;
    this.figures = { rss, rssBelow, rssAbove, approximate, swap, swapBelow, swapAbove, pageTables };
  }

  rss() {
    return this.figures.approximate;
  }

  rssSum() {
    this.sums++;
    return this.figures.rss;
  }

  rssBounds() {
    const { rss, rssBelow, rssAbove } = this.figures;
    return { min: rss - rssBelow, max: rss + rssAbove };
  }

  swap() {
    const { swap, swapBelow, swapAbove } = this.figures;
    return { min: swap - swapBelow, max: swap + swapAbove };
  }

  swapSum() {
    return this.figures.swap;
  }

  pageTablePages() {
    return this.figures.pageTables;
  }
}

export type FakeTask = OomTask & { mm: FakeMemory };

/** A task with a {@link FakeMemory} of these figures, or of this many resident pages known exactly. */
export function fakeTask(
  pid: number,
  figures: Figures | number,
  flags: Omit<Partial<OomTask>, 'pid' | 'mm'> = {},
): FakeTask {
  return { pid, mm: new FakeMemory(typeof figures === 'number' ? { rss: figures } : figures), ...flags };
}
