// Idle processes to look at.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** @returns {Promise<{ pids: number[], end: () => void }>} so many sleeping processes; they end with this one at the latest. */
export async function startIdleProcesses(count) {
  const children = [];
  const end = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', end);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  for (let i = 0; i < count; i++) {
    const child = spawn('sleep', ['infinity'], { stdio: 'ignore' });
    child.once('error', (error) => {
      process.stderr.write(`cannot start 'sleep': ${error.message}\n`);
      process.exit(1);
    });
    children.push(child);
  }
  // Starting up takes and gives back memory, which is over when nothing has been heard for a while.
  await sleep(1_000);
  return { pids: children.map(({ pid }) => pid), end };
}
