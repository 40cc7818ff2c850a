import { type Command, InvalidArgumentError, Option } from 'commander';
import { groupName } from '../limits/hierarchy.js';
import { type PredictVictimOptions, predictVictim } from '../limits/predict-victim.js';
import { pageBytes } from '../native/page-bytes.js';
import { MAX_PID } from '../validate.js';
import { pattern, wholeNumber } from './options.js';
import { renderOom } from './render-oom.js';
import { outputFor } from './terminal.js';
import { toJson } from './text.js';

interface OomOptions extends PredictVictimOptions {
  limit: number;
  json?: boolean;
}

const DEFAULT_ROWS = 15;

function groupPath(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must be a directory, or a name as /proc/PID/cgroup prints it.');
}

function pid(text: string): number | 'self' {
  return text === 'self' ? text : wholeNumber(1, MAX_PID)(text);
}

export function addOomCommand(program: Command): void {
  program
    .command('oom')
    .description("show the OOM killer's next victim, and why; nothing is killed")
    .addOption(
      new Option('--cgroup <PATH>', 'predict for a memory control group: its directory, or its name below the mount')
        .argParser(groupPath)
        .conflicts('pid'),
    )
    .option(
      '--pid <PID>',
      'predict for the limit that binds this process: its group, one above it, or the machine',
      pid,
    )
    .option('--prefer <REGEX>', 'names that get 300 points of oom_score more', pattern)
    .option('--avoid <REGEX>', 'names that get 300 points less', pattern)
    .option('--limit <N>', 'rows to show', wholeNumber(1, 1e6), DEFAULT_ROWS)
    .option('--root <DIR>', 'a proc tree to read instead of /proc')
    .option('--json', 'print the prediction as JSON: badness in pages, the victim in bytes')
    .addHelpText(
      'after',
      '\nExamples:\n  percpu oom                     when the whole machine runs out\n  percpu oom --pid 1234          when what binds that process runs out\n' +
        '  percpu oom --cgroup /sys/fs/cgroup/system.slice/web.service\n' +
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
  const lines = renderOom(prediction, outputFor(stdout), {
    limit,
    pageBytes: pageBytes(),
    scopeName: prediction.scope.path === null ? null : groupName(prediction.scope.path, options.root ?? '/proc'),
    asked: options.cgroup ?? (options.pid === undefined ? undefined : `PID ${options.pid}`),
  });
  stdout.write(`${lines.join('\n')}\n`);
}
