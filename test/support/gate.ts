/** What workers wait at (`gate` of worker-tasks.mjs) so that they begin together. */
export class Gate {
  readonly buffer = new SharedArrayBuffer(4);
  readonly #word = new Int32Array(this.buffer);

  open(): void {
    Atomics.store(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }
}
