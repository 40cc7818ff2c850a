// Processes nobody has looked at before: scanRss() against reading the same three files of each in a loop.
import { readFileSync } from 'node:fs';
import { scanRss } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

export default function measure({ pids }) {
  const loop = () => {
    let length = 0;
    for (const pid of pids) {
      for (const file of ['stat', 'statm', 'status']) length += readFileSync(`/proc/${pid}/${file}`).length;
    }
    return length;
  };
  return alternate(() => scanRss({ pids }), loop, { rounds: 15, per: pids.length });
}
