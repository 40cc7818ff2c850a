// Restarts a service that really uses too much memory, and leaves one alone that only seems to.
//
// Like pm2's max_memory_restart, but by the precise figure: on a machine with many CPUs the approximate one, which
// process.memoryUsage() and pm2 read, can be off by hundreds of MiB either way.
// Usage: node examples/rss-guard.mjs LIMIT_MIB COMMAND [ARGUMENT…]          (in this repository, after `npm run build`)
import { spawn } from 'node:child_process';
import { RssGuard } from 'percpu';

const MiB = 2 ** 20;
const [limit, command, ...commandArguments] = process.argv.slice(2);
const limitBytes = Math.round(Number(limit) * MiB);
if (!(limitBytes > 0) || command === undefined) {
  console.error('usage: node examples/rss-guard.mjs LIMIT_MIB COMMAND [ARGUMENT...]');
  process.exit(2);
}

const mib = (bytes) => `${(bytes / MiB).toFixed(1)} MiB`;

let child;
let isEnding = false;

function run() {
  child = spawn(command, commandArguments, { stdio: 'inherit' });
  let guard;
  let isRestarting = false;
  child.once('spawn', () => {
    guard = new RssGuard({ pid: child.pid, limit: limitBytes, intervalMs: 250 }).start();
    guard.once('exceeded', ({ precise, approximate }) => {
      console.log(
        `${command} holds ${mib(precise)} (monitors read ${mib(approximate)}), limit ${mib(limitBytes)}: restarting`,
      );
      isRestarting = true;
      child.kill();
    });
  });
  child.once('error', (error) => {
    console.error(`cannot run ${command}: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('exit', (code) => {
    guard?.stop();
    if (isRestarting && !isEnding) run();
    else process.exitCode = code ?? 1;
  });
}

// The service ends with its supervisor.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    isEnding = true;
    child.kill(signal);
  });
}

run();
