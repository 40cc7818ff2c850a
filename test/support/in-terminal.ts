import { spawn, spawnSync } from 'node:child_process';

/** @returns why no terminal can be made here; undefined where it can. */
export function whyNoTerminal(): string | undefined {
  return spawnSync('script', ['--version']).error
    ? "no 'script' command (util-linux) to make a terminal with"
    : undefined;
}

/** Keys such as `\x03`, Ctrl-C, and what the terminal must have been shown before they are typed. */
export interface Typed {
  text: string;
  when: (output: string) => boolean;
}

/**
 * Runs a program with its arguments in a pseudo-terminal, and types keys one after the other. No shell stays between: one
 * that waits gets a Ctrl-C as well, and dies of it.
 *
 * @returns what it wrote to the terminal, control sequences included, and its exit code.
 */
export function runInTerminal(command: string, keys: Typed[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['-qec', `exec ${command}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const waiting = [...keys];
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      while (waiting[0]?.when(output)) child.stdin.write(waiting.shift()!.text);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, output }));
  });
}
