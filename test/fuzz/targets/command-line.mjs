// The command line, in this process: every wrong argument is a line or the usage on stderr and status 2, never a stack.
import { EDGES, pick } from '../inputs.mjs';
import { note, require } from '../verdict.mjs';

const entry = new URL('../../../dist/cli/main.js', import.meta.url).href;

const WORDS = [
  'doctor',
  'help',
  'rss',
  'oom',
  'counter',
  'no-such-command',
  '',
  ' ',
  '--',
  '-',
  '-h',
  '--help',
  '-v',
  '--version',
];
const OPTIONS = [
  '--json',
  '--all',
  '--run',
  '--no-json',
  '--json=1',
  '--json=',
  '--pid',
  '--root',
  '--cgroup',
  '--watch',
  '--interval',
  '--limit',
  '-n',
  '-p',
  '--top',
  '--every',
  '--__proto__',
  '--constructor',
  '-jjj',
  '--=',
  '--help=x',
  '-',
  '--run=false',
  '--jsno',
  '--al',
  '--\n',
  '--\u001b[2J',
];

/** Commands that would do their work: only their wrong uses are of interest. */
const IS_RIGHT = /^(doctor( --(all|json|run))*|rss\b.*|oom\b.*|counter\b.*)$/;

function generate(random) {
  const words = Array.from({ length: random(6) }, () => {
    const how = random(10);
    if (how < 4) return pick(random, WORDS);
    if (how < 8) return pick(random, OPTIONS);
    if (how < 9) return pick(random, EDGES);
    return String.fromCharCode(...Array.from({ length: random(12) }, () => random(0x300)));
  });
  return words;
}

let loads = 0;

async function check(words, outcomes) {
  if (IS_RIGHT.test(words.join(' ').trim())) words = [...words, '--no-such-option'];
  const { argv, exitCode } = process;
  const written = { stdout: '', stderr: '' };
  const originals = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const stream of ['stdout', 'stderr']) {
    process[stream].write = (text) => {
      written[stream] += text;
      return true;
    };
  }
  let code;
  try {
    process.argv = [argv[0], 'percpu', ...words];
    // The program runs when it is loaded: under another name it is loaded anew.
    await import(`${entry}?${loads++}`);
    code = process.exitCode ?? 0;
  } finally {
    process.stdout.write = originals.stdout;
    process.stderr.write = originals.stderr;
    process.stdout.removeAllListeners('error');
    process.stderr.removeAllListeners('error');
    process.argv = argv;
    process.exitCode = exitCode;
  }
  note(outcomes, `status ${code}`);
  require([0, 1, 2].includes(code), `status ${code}`);
  require(!/\n\s+at .*:\d+/.test(written.stderr), `a stack: ${written.stderr}`);
  if (code !== 0) require(/^(percpu: [^\n]+|Usage: percpu .*)\n/.test(written.stderr), `no message: ${written.stderr}`);
  if (code === 2) require(written.stdout === '', `bad usage, and still: ${written.stdout}`);
}

export const commandLine = [{ name: 'command-line', share: 3, corpus: 'json', generate, check }];
