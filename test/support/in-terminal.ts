import { spawn, spawnSync } from 'node:child_process';

/** @returns why no terminal can be made here; undefined where it can. */
export function whyNoTerminal(): string | undefined {
  return spawnSync('script', ['--version']).error
    ? "no 'script' command (util-linux) to make a terminal with"
    : undefined;
}

/**
 * Runs a shell command in a pseudo-terminal. Keys such as `\x03`, Ctrl-C, are typed after so many milliseconds.
 *
 * @returns what it wrote to the terminal, control sequences included, and its exit code.
 */
export function runInTerminal(
  command: string,
  keys: [ms: number, text: string][],
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, output }));
    for (const [ms, text] of keys) setTimeout(() => child.stdin.write(text), ms);
  });
}
