// A single-threaded process whose memory goes from CPU to CPU as it is told: hop.cc.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./hop', import.meta.url));

const hoppers = new Set();

/** A test that failed has left its own behind. */
export function endHoppers() {
  for (const hopper of hoppers) hopper.end();
}

export class Hopper {
  #child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  #answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  ended = once(this.#child, 'exit');
  hasEnded = false;

  /** Answers once the program has been loaded: until then its memory changes by itself. */
  static async start() {
    const hopper = new Hopper();
    await hopper.tell('free all 0');
    return hopper;
  }

  constructor() {
    hoppers.add(this);
    this.#child.stdin.on('error', () => {});
    this.ended.then(() => {
      this.hasEnded = true;
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * @param {string} command a line of hop.cc's.
   * @returns {Promise<boolean>} false where the process was killed meanwhile.
   */
  async tell(command) {
    this.#child.stdin.write(`${command}\n`);
    return !(await this.#answers.next()).done;
  }

  end() {
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** In pages: the fast figure, the one of statm, and the truth, counted in the page tables. */
  figures() {
    const read = (file) => readFileSync(`/proc/${this.pid}/${file}`, 'latin1');
    return {
      stat: Number(/\) (.*)/s.exec(read('stat'))[1].split(' ')[21]),
      statm: Number(read('statm').split(' ')[1]),
      truth: Number(/^Rss: +(\d+) kB$/m.exec(read('smaps_rollup'))[1]) / 4,
    };
  }
}
