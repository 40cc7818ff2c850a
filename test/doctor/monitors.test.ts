import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { findMonitors } from '../../lib/doctor/monitors.js';
import { runProgram } from '../support/consumer.js';
import { describeUnless } from '../support/skip.js';

const project = mkdtempSync(join(tmpdir(), 'percpu-project-'));
afterAll(() => rmSync(project, { recursive: true }));

function install(name: string, manifest: string): void {
  mkdirSync(join(project, 'node_modules', name), { recursive: true });
  writeFileSync(join(project, 'node_modules', name, 'package.json'), manifest);
}

it('finds the monitors of a project, and knows which are right', () => {
  install('pidusage', '{"version":"4.0.1"}');
  install('prom-client', '{"version":"15.1.3","exports":{".":"./index.js"}}');
  install('express-status-monitor', '{"version":"1.3.4"}');
  install('@opentelemetry/host-metrics', '{"version":"0.36.0"}');
  install('pm2', 'damaged');
  const deep = join(project, 'packages', 'app');
  mkdirSync(deep, { recursive: true });
  const own = { name: 'process.memoryUsage()', version: process.version, reads: '/proc/PID/stat', precise: false };
  expect(findMonitors(deep, true)).toEqual([
    own,
    { name: 'pidusage', version: '4.0.1', reads: '/proc/PID/stat', precise: false },
    { name: 'express-status-monitor', version: '1.3.4', reads: '/proc/PID/stat', precise: false },
    { name: '@opentelemetry/host-metrics', version: '0.36.0', reads: '/proc/PID/stat', precise: false },
    { name: 'prom-client', version: '15.1.3', reads: '/proc/self/status', precise: true },
  ]);
  expect(findMonitors(deep, false).some(({ precise }) => precise)).toBe(false);
  expect(findMonitors(tmpdir(), true)).toEqual([own]);
});

const onWindows = process.platform === 'win32' ? 'Windows has neither FIFOs nor such links' : '';

describeUnless(onWindows)('a project that others have filled', () => {
  const hostile = mkdtempSync(join(tmpdir(), 'percpu-hostile-'));
  afterAll(() => rmSync(hostile, { recursive: true }));
  const mark = join(hostile, 'it-ran');
  /** A package's folder without its package.json. */
  const folderOf = (name: string) => {
    const folder = join(hostile, 'node_modules', name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  const versions = () =>
    findMonitors(hostile, true)
      .slice(1)
      .map(({ name, version }) => [name, version]);

  it('runs nothing of it, waits for nothing, and follows no link but a folder', async () => {
    mkdirSync(join(folderOf('pidusage'), 'package.json'));
    const code = `require('node:fs').writeFileSync(${JSON.stringify(mark)}, ''); exports.version = '1.0.0';`;
    writeFileSync(join(hostile, 'node_modules', 'pidusage', 'package.json', 'index.js'), code);
    execFileSync('mkfifo', [join(folderOf('pm2'), 'package.json')]);
    symlinkSync('/dev/zero', join(folderOf('clinic'), 'package.json'));
    const elsewhere = join(hostile, 'elsewhere.json');
    writeFileSync(elsewhere, '{"version":"6.6.6"}');
    symlinkSync(elsewhere, join(folderOf('appmetrics'), 'package.json'));
    writeFileSync(join(folderOf('ps-list'), 'package.json'), `{"version":"1.0.0","more":"${'x'.repeat(2 ** 20)}"}`);
    // As pnpm installs.
    mkdirSync(join(hostile, 'store', 'prom-client'), { recursive: true });
    writeFileSync(join(hostile, 'store', 'prom-client', 'package.json'), '{"version":"15.1.3"}');
    symlinkSync('../store/prom-client', join(hostile, 'node_modules', 'prom-client'));
    expect(versions()).toEqual([['prom-client', '15.1.3']]);
    expect(existsSync(mark)).toBe(false);
  });

  it('prints no version that could be anything else', () => {
    const given = [
      '\u001b[2J',
      '1.0.0\n2',
      '1'.repeat(65),
      '',
      7,
      {},
      null,
      'latest',
      '1.0.0-rc.1+build',
      '1'.repeat(64),
    ];
    const seen = given.map((version) => {
      writeFileSync(join(folderOf('pidusage'), 'package.json'), JSON.stringify({ version }));
      return Object.fromEntries(versions()).pidusage;
    });
    expect(seen).toEqual([...Array(8).fill('?'), ...given.slice(8)]);
  });

  it('percpu doctor stays on its feet there', async () => {
    mkdirSync(join(folderOf('pidusage'), 'package.json'));
    const code = `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '');`;
    writeFileSync(join(hostile, 'node_modules', 'pidusage', 'package.json', 'index.js'), code);
    execFileSync('mkfifo', [join(folderOf('pm2'), 'package.json')]);
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const inside = join(hostile, 'deep', 'inside');
    mkdirSync(inside, { recursive: true });
    const { code: exit, stdout } = await runProgram(process.execPath, [main, 'doctor', '--json'], { cwd: inside });
    expect(exit).toBe(0);
    expect(JSON.parse(stdout).monitors.map(({ name }: { name: string }) => name)).not.toContain('pidusage');
    expect(existsSync(mark)).toBe(false);
  });
});
