import { approximateBadness, badnessBounds, preciseBadness } from './badness.js';
import type { OomTask } from './memory.js';

/** @returns pages that a ranking adds to a task's badness, to prefer it as a victim; negative to avoid it. */
export type Preference = (task: OomTask) => number;

/**
 * The eligible tasks of one selection in scan order, each with the range of its badness in pages, which shrinks to one value
 * when the task is summed. Parallel arrays, so that a scan makes no object per task.
 */
export class Candidates {
  readonly tasks: OomTask[] = [];
  /** Lowest possible badness; the precise one, once summed. */
  readonly lower: number[] = [];
  /** Highest possible badness; the precise one, once summed. */
  readonly upper: number[] = [];
  /** Approximate badness; empty unless asked for. */
  readonly approximate: number[] = [];
  /** Highest of all lowest possible badnesses, as scanned: a task that cannot reach it cannot win. */
  highestMinimum = Number.NEGATIVE_INFINITY;
  preciseSums = 0;
  /** Whether every precise sum lay within the bounds read before it. */
  consistent = true;

  readonly #adjUnit: number;
  readonly #withApproximate: boolean;
  readonly #preference: Preference;

  constructor(adjUnit: number, withApproximate: boolean, preference: Preference) {
    this.#adjUnit = adjUnit;
    this.#withApproximate = withApproximate;
    this.#preference = preference;
  }

  get length(): number {
    return this.tasks.length;
  }

  add(task: OomTask): void {
    const { min, max } = badnessBounds(task, this.#adjUnit);
    const preferred = this.#preference(task);
    if (this.#withApproximate) this.approximate.push(approximateBadness(task, this.#adjUnit) + preferred);
    this.tasks.push(task);
    this.lower.push(min + preferred);
    this.upper.push(max + preferred);
    if (min + preferred > this.highestMinimum) this.highestMinimum = min + preferred;
  }

  sum(i: number): void {
    const task = this.tasks[i]!;
    const badness = preciseBadness(task, this.#adjUnit) + this.#preference(task);
    this.preciseSums++;
    if (badness < this.lower[i]! || badness > this.upper[i]!) this.consistent = false;
    this.lower[i] = badness;
    this.upper[i] = badness;
  }

  /** Sums candidate `i`, unless its bounds leave one value or `limit` sums have been made. */
  sumIfOpen(i: number, limit: number): void {
    if (this.lower[i]! < this.upper[i]! && this.preciseSums < limit) this.sum(i);
  }

  /** @returns whether no other candidate can have a higher precise badness than `victim`. */
  isCertain(victim: number): boolean {
    const { upper } = this;
    const floor = this.lower[victim]!;
    for (let i = 0; i < upper.length; i++) if (upper[i]! > floor && i !== victim) return false;
    return this.consistent;
  }
}
