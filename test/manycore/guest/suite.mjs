// Runs in a guest that boot.sh has booted. GUEST, an environment variable, is JSON: what the guest should be, and which
// parts to run. It may ask for CPUs to be taken offline or put online first.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { after } from 'node:test';
import { native } from '../node_modules/percpu/dist/native.js';
import { testCounters, testTopology } from './counters.mjs';
import { endHoppers } from './hopper.mjs';
import { testOom } from './oom.mjs';
import { printReport } from './report.mjs';
import { testRss } from './rss.mjs';

const { parts, setOnline = {}, ...expected } = JSON.parse(process.env.GUEST);

for (const [cpu, online] of Object.entries(setOnline)) {
  writeFileSync(`/sys/devices/system/cpu/cpu${cpu}/online`, online ? '1' : '0');
}
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
