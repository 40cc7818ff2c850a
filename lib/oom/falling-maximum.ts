/**
 * Returns indices by falling `key[index]`, of equal keys the higher index first. A binary heap: O(n) to build, O(log n) per
 * index, because most searches stop early. `key` must not change for an index that is still in the heap.
 */
export class FallingMaximum {
  readonly #heap: number[];
  readonly #key: readonly number[];

  constructor(indices: number[], key: readonly number[]) {
    this.#heap = indices;
    this.#key = key;
    for (let at = (indices.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  take(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length > 0) {
      heap[0] = last!;
      this.#sink(0);
    }
    return top;
  }

  #sink(at: number): void {
    const heap = this.#heap;
    const sinking = heap[at]!;
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, sinking)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = sinking;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#key[a]! - this.#key[b]!;
    return difference > 0 || (difference === 0 && a > b);
  }
}
