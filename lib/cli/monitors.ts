import { createRequire } from 'node:module';
import { join } from 'node:path';

/** A monitor that people use from Node, and where it takes a process's memory from. */
export interface Monitor {
  name: string;
  /** Of the package that is installed in the current project; the runtime's own for `process.memoryUsage()`. */
  version: string;
  reads: string;
  /** Whether that is a precise figure on this kernel. */
  precise: boolean;
}

const STAT = '/proc/PID/stat';

/** Packages by the file they read. Those on `stat` are approximate on every kernel, the others where statm is. */
const KNOWN: readonly [name: string, reads: string][] = [
  ['pidusage', STAT],
  ['pm2', STAT],
  ['appmetrics', STAT],
  ['clinic', STAT],
  ['@opentelemetry/host-metrics', STAT],
  ['prom-client', '/proc/self/status'],
  ['process-list', '/proc/PID/statm'],
  ['systeminformation', 'ps (status)'],
  ['ps-list', 'ps (status)'],
];

/** The version of a package that a file in `directory` would import; undefined where there is none. */
function installedVersion(name: string, directory: string): string | undefined {
  const requireFrom = createRequire(join(directory, 'package.json'));
  for (const folder of requireFrom.resolve.paths(name) ?? []) {
    try {
      return String(requireFrom(join(folder, name, 'package.json')).version);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** @returns `process.memoryUsage()` and the known monitors that the project in `directory` has installed. */
export function findMonitors(directory: string, statmPrecise: boolean): Monitor[] {
  const installed = KNOWN.flatMap(([name, reads]) => {
    const version = installedVersion(name, directory);
    return version === undefined ? [] : [{ name, version, reads, precise: reads !== STAT && statmPrecise }];
  });
  return [{ name: 'process.memoryUsage()', version: process.version, reads: STAT, precise: false }, ...installed];
}
