#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { failureOf, firstLine } from '../errors.js';
import { nearestName } from '../validate.js';
import { VERSION } from '../version.js';
import { addDoctorCommand } from './doctor.js';
import { addOomCommand } from './oom.js';
import { writeError } from './output.js';
import { addRssCommand } from './rss.js';
import { toJson } from './text.js';

const FAILED = 1;
const BAD_USAGE = 2;

function createProgram(): Command {
  const program = new Command('percpu')
    .description('The truth about memory on many-core Linux.')
    .version(VERSION, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError()
    .exitOverride()
    .configureOutput({
      // The message quotes arguments, which may hold any characters.
      outputError: (message) =>
        writeError(
          message
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' '),
        ),
    });
  addDoctorCommand(program);
  addRssCommand(program);
  addOomCommand(program);
  addHelpCommand(program);
  return program;
}

/** For an unknown command, commander's own help prints the usage without an error. */
function addHelpCommand(program: Command): void {
  program
    .command('help [command]')
    .description('print the help of a command')
    .action((name?: string) => {
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (command) return command.help();
      const near = nearestName(
        name!,
        program.commands.map((known) => known.name()),
      );
      program.error(`unknown command '${name}'${near === undefined ? '' : ` (Did you mean ${near}?)`}`);
    });
}

/** One line for people; for programs an object too. */
function reportFailure(error: unknown, json: boolean): void {
  const failure = failureOf(error);
  writeError(firstLine(failure.message));
  if (json) process.stdout.write(`${toJson({ error: failure })}\n`);
}

/** A reader may stop early (`percpu doctor | head`). */
function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode);
    writeError(`cannot write the output: ${error.message}`);
    process.exit(FAILED);
  });
  process.stderr.on('error', () => {});
}

async function main(argv: string[]): Promise<void> {
  endQuietlyOnBrokenPipe();
  const program = createProgram();
  try {
    if (argv.length === 0) program.error('a command is missing');
    // Commander has one short form per option.
    const given = argv[0] === '-V' ? ['-v', ...argv.slice(1)] : argv;
    await program.parseAsync(given, { from: 'user' });
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
