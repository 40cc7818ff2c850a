// What Linux's per-CPU RSS counters hide: touch some memory on one CPU after the other, then ask how much there is.
// Usage: node examples/rss-hop.mjs          (in this repository, after `npm run build`)
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { getAffinity, withAffinity } from 'percpu';

const PAGE_BYTES = 4096;
const MiB = 2 ** 20;

const cpus = getAffinity();
// Fewer pages than a CPU keeps to itself: the kernel's batch is max(32, 2 x CPUs).
const pagesPerCpu = Math.floor(0.8 * Math.max(32, 2 * cpus.length));
const kept = cpus.map((cpu) => withAffinity(cpu, () => Buffer.alloc(pagesPerCpu * PAGE_BYTES, 1)));

const held = kept.length * pagesPerCpu * PAGE_BYTES;
const statm = Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]) * PAGE_BYTES;
const show = (what, bytes) => console.log(`${what.padEnd(33)} ${(bytes / MiB).toFixed(1).padStart(7)} MiB`);

console.log(`Linux ${os.release()}, ${cpus.length} CPUs, Node ${process.version}`);
show('touched on one CPU after another', held);
show('process.memoryUsage().rss', process.memoryUsage().rss);
show('/proc/self/statm', statm);
show('the first is wrong by', statm - process.memoryUsage().rss);
