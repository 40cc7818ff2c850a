import type { Command } from 'commander';
import { gatherReport } from '../doctor/report.js';
import { writeOut } from './output.js';
import { startProgress } from './progress.js';
import { renderReport } from './render-report.js';
import { outputFor } from './terminal.js';
import { toJson } from './text.js';

interface DoctorOptions {
  run?: boolean;
  json?: boolean;
  all?: boolean;
}

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('report on this machine: engine, CPUs, kernel, and processes whose RSS is reported wrong')
    .option('--run', 'also count on every allowed CPU for about a second, and verify the sums')
    .option('--all', 'list every process that differs, not only the first 20')
    .option('--json', 'print the report as JSON: sizes in bytes, times in nanoseconds')
    .addHelpText('after', '\nExit status: 0; 1 if something failed or a sum was wrong; 2 for bad usage.')
    .action(doctor);
}

async function doctor({ run = false, json = false, all = false }: DoctorOptions): Promise<void> {
  const progress = startProgress();
  try {
    const report = await gatherReport({ run, onStep: progress.step });
    progress.done();
    await writeOut(json ? `${toJson(report, 2)}\n` : renderReport(report, outputFor(process.stdout), { all }));
    if (report.run?.ok === false || report.failures.length > 0) process.exitCode = 1;
  } finally {
    progress.done();
  }
}
