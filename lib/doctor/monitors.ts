import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readManifest } from '../regular-file.js';

/** A monitor for Node, and the file it takes a process's memory from. */
export interface Monitor {
  name: string;
  /**
   * The version installed in the current project, '?' for a malformed one; the runtime's version for `process.memoryUsage()`.
   */
  version: string;
  reads: string;
  /** Whether its figure is precise on this kernel. */
  precise: boolean;
}

const STAT = '/proc/PID/stat';

/** Packages by the file they read. `stat` is approximate on every kernel; the others are precise if statm is. */
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

/** A version is printed only in this format. */
const VERSION = /^\d[\w.+-]{0,63}$/;

/**
 * The version of a package that a file in `directory` would import, if any.
 *
 * The project and the folders above it may belong to other users: nothing in them is loaded. A package's folder may be a link,
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
