// Runs a benchmark by its name: node bench/run.mjs NAME [OPTION...]. Importing it here also catches what it cannot import.
import { cannotRun, reportInOneLine } from './cannot-run.mjs';

const NAMES = ['counters', 'oom', 'proc', 'rss'];

const [name] = process.argv.splice(2, 1);
reportInOneLine();
if (!NAMES.includes(name)) cannotRun(`a name is missing, one of ${NAMES.join(', ')}`);
await import(`./${name}.mjs`).catch(cannotRun);
