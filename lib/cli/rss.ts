import { type Command, InvalidArgumentError, Option } from 'commander';
import type { PercpuError } from '../errors.js';
import { type RssAccounting, toRssAccounting } from '../proc/accounting/accounting.js';
import { observerPids } from '../proc/observer.js';
import { openTree } from '../proc/proc-tree.js';
import type { DetailedReading } from '../proc/reading.js';
import { readRss } from '../proc/rss.js';
import { RssScanner, scanRss } from '../proc/rss-scanner.js';
import { visibility } from '../proc/visibility.js';
import { MAX_PID } from '../validate.js';
import { seconds, wholeNumber } from './options.js';
import { writeError, writeOut } from './output.js';
import { renderRss, SORTS, type Sort, sorted } from './render-rss.js';
import { outputFor } from './terminal.js';
import { toJson } from './text.js';
import { watch } from './watch.js';

interface RssOptions {
  watch?: boolean | number;
  others?: boolean;
  sort: Sort;
  interval?: number;
  limit?: number;
  all?: boolean;
  root?: string;
  json?: boolean;
}

const DEFAULT_ROWS = 20;
/** Headings, a blank line, and two sentences, on a narrow terminal. */
const LINES_AROUND = 7;

const DEFAULT_SECONDS = 2;

/** PIDs may be separated by commas, as `pgrep -d,` prints them. */
function collectPids(text: string, before: number[] = []): number[] {
  for (const part of text.split(',')) {
    const pid = Number(part);
    if (!/^\d+$/.test(part) || pid < 1 || pid > MAX_PID) {
      throw new InvalidArgumentError(
        `A PID is a whole number from 1 to ${MAX_PID}; several are separated by spaces or commas.`,
      );
    }
    before.push(pid);
  }
  return before;
}

export function addRssCommand(program: Command): void {
  program
    .command('rss')
    .description('show what processes really hold, beside what monitors read')
    .argument('[PID...]', 'only these processes', collectPids)
    .addOption(
      new Option('--watch [SECONDS]', 'redraw until Ctrl-C, every 2 seconds or at this interval').argParser(seconds),
    )
    .option('--interval <SECONDS>', 'the same as the number after --watch', seconds)
    .option('--others', "leave out the processes marked '*': this command and what started it")
    .addOption(new Option('--sort <COLUMN>', 'what comes first').choices(SORTS).default('precise'))
    .option('--limit <N>', 'rows to show (default: 20, with --watch what fits)', wholeNumber(1, 1e6))
    .option('--all', 'include processes without memory: kernel threads and zombies')
    .option('--root <DIR>', 'a proc tree to read instead of /proc')
    .option('--json', 'print bytes as JSON; with --watch one document per line')
    .addHelpText(
      'after',
      '\nExamples:\n  percpu rss --sort error        the largest errors first\n' +
        '  percpu rss 1234 5678           two processes, also as 1234,5678\n' +
        '  percpu rss 1234 --json         one process, for a program\n' +
        '  percpu rss --watch=0.5         like top, twice a second\n' +
        '\nExit status: 0; 1 if a PID does not exist or something failed; 2 for bad usage.',
    )
    .action(showRss);
}

function hasMemory({ approximate, precise }: DetailedReading): boolean {
  return approximate > 0 || precise > 0;
}

/** Reads the processes one by one, and names those that fail on stderr. */
function readEach(pids: number[], root: string | undefined): DetailedReading[] {
  return pids.flatMap((pid) => {
    try {
      return [readRss(pid, root === undefined ? {} : { root })];
    } catch (error) {
      const { code, message } = error as PercpuError;
      if (code !== 'ESRCH' && code !== 'EACCES' && code !== 'EBADMSG') throw error;
      writeError(message);
      process.exitCode = 1;
      return [];
    }
  });
}

async function showRss(given: number[], options: RssOptions): Promise<void> {
  const pids = given.length > 0 ? given : undefined;
  const tree = openTree(options.root);
  const accounting = toRssAccounting(tree.accounting, tree.cpus);
  if (options.watch !== undefined) return watchRss(pids, options, accounting);
  const { root } = options;
  const readings = pids ? readEach(pids, root) : await scanRss({ all: true, ...(root !== undefined && { root }) });
  // Each missing PID was named on stderr.
  if (pids && readings.length === 0 && !options.json) return;
  await writeOut(print(readings, pids, options, accounting, options.limit ?? (pids ? pids.length : DEFAULT_ROWS)));
}

function print(
  readings: DetailedReading[],
  pids: number[] | undefined,
  { sort, all, json, root, others, watch: watching }: RssOptions,
  accounting: RssAccounting,
  limit: number,
): string {
  const observers = observerPids(root);
  const wanted = others ? readings.filter(({ pid }) => !observers.has(pid)) : readings;
  const shown = sorted(pids || all ? wanted : wanted.filter(hasMemory), sort);
  const unseen = pids ? '' : visibility(root ?? '/proc').reason;
  if (json) {
    const processes = shown.map((reading) => ({ ...reading, observer: observers.has(reading.pid) }));
    return `${toJson({ accounting, unseen, processes }, watching === undefined ? 2 : 0)}\n`;
  }
  const lines = renderRss(shown, accounting, outputFor(process.stdout), { limit, observers, unseen });
  return `${lines.join('\n')}\n`;
}

async function watchRss(pids: number[] | undefined, options: RssOptions, accounting: RssAccounting): Promise<void> {
  const { root, watch: every, interval = DEFAULT_SECONDS } = options;
  const scanner = new RssScanner({ all: true, ...(pids && { pids }), ...(root !== undefined && { root }) });
  try {
    await watch({
      intervalMs: 1000 * (typeof every === 'number' ? every : interval),
      inPlace: !options.json,
      draw: async (signal) => {
        const readings = await scanner.scan({ signal });
        return (rows) => print(readings, pids, options, accounting, options.limit ?? Math.max(1, rows - LINES_AROUND));
      },
    });
  } finally {
    scanner.destroy();
  }
}
