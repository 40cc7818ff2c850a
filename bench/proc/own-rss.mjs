// This process's RSS: the precise figure alone against the approximate one Node offers.
import { readFileSync } from 'node:fs';
import { rss } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

const CALLS = 2_000;
const EXACTNESS_SAMPLES = 200;

const repeat = (call) => () => {
  for (let i = 0; i < CALLS; i++) call();
};

/** How far both are from VmRSS, in bytes, at moments when that says the same before and after. */
function worstErrors() {
  const resident = () => 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
  const worst = { ours: 0, theirs: 0 };
  for (let sample = 0; sample < EXACTNESS_SAMPLES; sample++) {
    const before = resident();
    const ours = rss();
    const theirs = process.memoryUsage.rss();
    if (resident() !== before) continue;
    worst.ours = Math.max(worst.ours, Math.abs(ours - before));
    worst.theirs = Math.max(worst.theirs, Math.abs(theirs - before));
  }
  return worst;
}

export default async function measure() {
  const times = await alternate(
    repeat(() => rss()),
    repeat(() => process.memoryUsage.rss()),
    { rounds: 31, per: CALLS },
  );
  return { ...times, worstErrorBytes: worstErrors() };
}
