// A benchmark that cannot run says so in one line on stderr, and ends with 1.
import { fileURLToPath } from 'node:url';

/** What the errors of missing parts mean for whoever runs a benchmark. */
function reason(error) {
  // A child process that failed has put its own line on stderr.
  const child = typeof error?.stderr === 'string' ? error.stderr.trim().split('\n').at(-1) : undefined;
  if (child) return child.replace(/^cannot run: /, '');
  const message = String(error?.message ?? error).split('\n', 1)[0];
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') return message;
  const dist = fileURLToPath(new URL('../dist/', import.meta.url));
  return message.includes(dist) ? `${message} (build the package first: npm run build)` : `${message} (npm install)`;
}

/** Prints why, with control characters left out, and ends the process. */
export function cannotRun(error) {
  process.stderr.write(`cannot run: ${reason(error).replace(/[\p{Cc}\p{Cf}]/gu, '?')}\n`);
  process.exit(1);
}

/** Whatever is thrown later, outside of any promise that is awaited, ends the same way. */
export function reportInOneLine() {
  process.on('uncaughtException', cannotRun);
}
