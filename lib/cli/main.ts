#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addDoctorCommand } from './doctor.js';
import { addOomCommand } from './oom.js';
import { packageVersion } from './report.js';
import { addRssCommand } from './rss.js';

const FAILED = 1;
const BAD_USAGE = 2;

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function createProgram(): Command {
  const program = new Command('percpu')
    .description('The truth about memory on many-core Linux.')
    .version(packageVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError()
    .exitOverride()
    .configureOutput({
      outputError: (message, write) =>
        write(
          `percpu: ${message
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    });
  addDoctorCommand(program);
  addRssCommand(program);
  addOomCommand(program);
  addHelpCommand(program);
  return program;
}

/** Commander's own prints the usage for a command it does not know, and no word about why. */
function addHelpCommand(program: Command): void {
  program
    .command('help [command]')
    .description('print the help of a command')
    .action((name?: string) => {
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (!command) program.error(`unknown command '${name}'`);
      else command.help();
    });
}

/** One line for people; for programs an object too. */
function reportFailure(error: unknown, json: boolean): void {
  const { message = String(error), code = 'ERR_UNKNOWN' } = error as NodeJS.ErrnoException;
  process.stderr.write(`percpu: ${firstLine(message)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
}

/** Whoever reads the output may stop when it has seen enough (`percpu doctor | head`). */
function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode);
    process.stderr.write(`percpu: cannot write the output: ${error.message}\n`);
    process.exit(FAILED);
  });
  process.stderr.on('error', () => {});
}

async function main(argv: string[]): Promise<void> {
  endQuietlyOnBrokenPipe();
  const program = createProgram();
  try {
    if (argv.length === 0) program.error('a command is missing');
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
    } else {
      process.exitCode = FAILED;
      reportFailure(error, argv.includes('--json'));
    }
  }
}

await main(process.argv.slice(2));
