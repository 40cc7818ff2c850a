// As scan-again.mjs, but each process has run since the last look, so that all of its files may say something new.
import { setTimeout as sleep } from 'node:timers/promises';
import pidusage from 'pidusage';
import { RssScanner } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

const UNTIL_THEY_SLEEP_MS = 50;

export default async function measure({ pids }) {
  const scanner = new RssScanner({ pids });
  const wake = () => {
    for (const signal of ['SIGSTOP', 'SIGCONT']) for (const pid of pids) process.kill(pid, signal);
    return sleep(UNTIL_THEY_SLEEP_MS);
  };
  const result = await alternate(
    () => scanner.scan(),
    () => pidusage(pids),
    { rounds: 15, per: pids.length, before: wake },
  );
  pidusage.clear();
  return result;
}
