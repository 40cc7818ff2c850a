import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findMonitors } from '../../lib/cli/monitors.js';

const project = mkdtempSync(join(tmpdir(), 'percpu-project-'));
afterAll(() => rmSync(project, { recursive: true }));

function install(name: string, manifest: string): void {
  mkdirSync(join(project, 'node_modules', name), { recursive: true });
  writeFileSync(join(project, 'node_modules', name, 'package.json'), manifest);
}

it('finds the monitors of a project, and knows which are right', () => {
  install('pidusage', '{"version":"4.0.1"}');
  install('prom-client', '{"version":"15.1.3","exports":{".":"./index.js"}}');
  install('@opentelemetry/host-metrics', '{"version":"0.36.0"}');
  install('pm2', 'damaged');
  const deep = join(project, 'packages', 'app');
  mkdirSync(deep, { recursive: true });
  const own = { name: 'process.memoryUsage()', version: process.version, reads: '/proc/PID/stat', precise: false };
  expect(findMonitors(deep, true)).toEqual([
    own,
    { name: 'pidusage', version: '4.0.1', reads: '/proc/PID/stat', precise: false },
    { name: '@opentelemetry/host-metrics', version: '0.36.0', reads: '/proc/PID/stat', precise: false },
    { name: 'prom-client', version: '15.1.3', reads: '/proc/self/status', precise: true },
  ]);
  expect(findMonitors(deep, false).some(({ precise }) => precise)).toBe(false);
  expect(findMonitors(tmpdir(), true)).toEqual([own]);
});
