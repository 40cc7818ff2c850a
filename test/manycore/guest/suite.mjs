// Runs in a guest that boot.sh has booted. GUEST, an environment variable, is JSON: what the guest should be, and which
// parts to run.
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { after } from 'node:test';
import { native } from '../node_modules/percpu/dist/native/native.js';
import { testCounters, testTopology } from './counters.mjs';
import { endHoppers } from './hopper.mjs';
import { testOom } from './oom.mjs';
import { printReport } from './report.mjs';
import { testRss } from './rss.mjs';

const { parts, ...expected } = JSON.parse(process.env.GUEST);

if (!native.addon) throw new Error(`the addon is not loaded: ${native.reason}`);
console.log(`Linux ${os.release()}, ${os.availableParallelism()} CPUs; ${native.reason}\n`);

if (parts.includes('example')) {
  console.log(
    execFileSync(process.execPath, [new URL('./rss-hop.mjs', import.meta.url).pathname], { encoding: 'utf8' }),
  );
}
if (parts.includes('topology')) testTopology(expected);
if (parts.includes('counters')) testCounters();
if (parts.includes('rss')) testRss();
if (parts.includes('oom')) testOom(expected);
after(() => {
  endHoppers();
  printReport();
});
