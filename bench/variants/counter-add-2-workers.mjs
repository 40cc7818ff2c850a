// Two workers, one counter.
import { CounterTree } from '../../dist/index.js';
import { measureInTwoWorkers } from '../counters/two-workers.mjs';

export default () => measureInTwoWorkers('counter', new CounterTree().share());
