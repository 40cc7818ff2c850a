import type { Command } from 'commander';
import { pageBytes } from '../page-bytes.js';
import { type PredictVictimOptions, predictVictim } from '../proc/predict-victim.js';
import { pattern, wholeNumber } from './options.js';
import { renderOom } from './render-oom.js';
import { createColors, outputWidth, wantsColor } from './terminal.js';
import { toJson } from './text.js';

interface OomOptions extends PredictVictimOptions {
  limit: number;
  json?: boolean;
}

const DEFAULT_ROWS = 15;

/** Adds `percpu oom`: whom the kernel would kill, and why. */
export function addOomCommand(program: Command): void {
  program
    .command('oom')
    .description('show whom the OOM killer would take, and why; nothing is killed')
    .option('--cgroup <PATH>', 'directory of a memory control group, version 1 or 2, that reaches its limit')
    .option('--prefer <REGEX>', 'names to kill rather than others: 300 points of oom_score more', pattern)
    .option('--avoid <REGEX>', 'names rather not to kill: 300 points less', pattern)
    .option('--limit <N>', 'rows to show', wholeNumber(1, 1e6), DEFAULT_ROWS)
    .option('--root <DIR>', 'a proc tree to read instead of /proc')
    .option('--json', 'print the prediction as JSON: badness in pages, the victim in bytes')
    .addHelpText(
      'after',
      '\nExamples:\n  percpu oom\n  percpu oom --cgroup /sys/fs/cgroup/system.slice/web.service\n' +
        "  percpu oom --avoid '^(sshd|postgres)$'\n" +
        '\nExit status: 0; 1 if something failed; 2 for bad usage.',
    )
    .action(showOom);
}

async function showOom({ limit, json = false, ...options }: OomOptions): Promise<void> {
  const prediction = await predictVictim(options);
  const { stdout } = process;
  if (json) {
    stdout.write(`${toJson(prediction, 2)}\n`);
    return;
  }
  const lines = renderOom(prediction, {
    width: outputWidth(stdout),
    colors: createColors(wantsColor(stdout)),
    limit,
    pageBytes: pageBytes(),
    cgroup: options.cgroup,
  });
  stdout.write(`${lines.join('\n')}\n`);
}
