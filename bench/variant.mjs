// Runs one variant in this process and prints its result as JSON. Usage: node bench/variant.mjs NAME
import { cannotRun, reportInOneLine } from './cannot-run.mjs';

reportInOneLine();
const [name] = process.argv.slice(2);
const { default: measure } = await import(`./variants/${name}.mjs`).catch(cannotRun);
console.log(JSON.stringify({ variant: name, nsPerOperation: await Promise.resolve(measure()).catch(cannotRun) }));
process.exit(0);
