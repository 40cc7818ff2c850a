import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readManifest } from '../regular-file.js';

/** A monitor that people use from Node, and where it takes a process's memory from. */
export interface Monitor {
  name: string;
  /**
   * Of the package that is installed in the current project, '?' for what does not look like one; the runtime's own for
   * `process.memoryUsage()`.
   */
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
  ['express-status-monitor', STAT],
  ['appmetrics', STAT],
  ['clinic', STAT],
  ['@opentelemetry/host-metrics', STAT],
  ['prom-client', '/proc/self/status'],
  ['process-list', '/proc/PID/statm'],
  ['systeminformation', 'ps (status)'],
  ['ps-list', 'ps (status)'],
];

/** What is printed of a version: nothing that could be more than one. */
const VERSION = /^\d[\w.+-]{0,63}$/;

/**
 * The version of a package that a file in `directory` would import; undefined where there is none.
 *
 * The folders belong to the project and to everybody above it: nothing in them is loaded. A package's folder may be a link,
 * as pnpm makes them; its package.json may not.
 */
function installedVersion(name: string, directory: string): string | undefined {
  const folders = createRequire(join(directory, 'package.json')).resolve.paths(name) ?? [];
  for (const folder of folders) {
    const manifest = readManifest(join(folder, name, 'package.json'));
    if (!manifest) continue;
    const { version } = manifest;
    return typeof version === 'string' && VERSION.test(version) ? version : '?';
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
