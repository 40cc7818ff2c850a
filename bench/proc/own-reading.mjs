// This process's whole reading, three files, against the approximate figure Node offers, one file.
import { readRss } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

const CALLS = 1_000;

const repeat = (call) => () => {
  for (let i = 0; i < CALLS; i++) call();
};

export default function measure() {
  return alternate(
    repeat(() => readRss('self')),
    repeat(() => process.memoryUsage.rss()),
    { rounds: 31, per: CALLS },
  );
}
