// Processes that come and go.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export class Crowd {
  #children = new Set();

  /** Starts so many, a few at a time. */
  async grow(count) {
    for (let i = 0; i < count; i++) {
      const child = spawn('sleep', ['infinity'], { stdio: 'ignore' });
      this.#children.add(child);
      if (i % 20 === 19) await once(child, 'spawn');
    }
  }

  /** Ends the oldest ones and starts as many. */
  async churn(count) {
    const oldest = [...this.#children].slice(0, count);
    for (const child of oldest) {
      this.#children.delete(child);
      child.kill('SIGKILL');
    }
    await this.grow(count);
  }

  /** The newest one's pid. */
  get newest() {
    return [...this.#children].at(-1).pid;
  }

  end() {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#children.clear();
  }
}
