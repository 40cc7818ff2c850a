// Two workers, one word: every add takes the cache line away from the other one.
import { measureInTwoWorkers } from '../counters/two-workers.mjs';

export default () => measureInTwoWorkers('atomics', new Int32Array(new SharedArrayBuffer(64)));
