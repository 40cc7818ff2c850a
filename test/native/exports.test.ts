import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { NativeAddon } from '../../lib/native/addon.js';
import { runtimeLibc } from '../../lib/native/loader.js';
import { repository } from '../support/consumer.js';
import { itUnless, notLinux } from '../support/skip.js';

/** All that is to be found in the product's addon; the compiler holds the list against the interface. */
const SHIPPED: Record<keyof NativeAddon, true> = {
  version: true,
  currentCpu: true,
  openCpuId: true,
  getAffinity: true,
  setAffinity: true,
  pageBytes: true,
  placeOnNode: true,
  startRun: true,
  ownResidentPages: true,
  readOwnProcess: true,
  readProcess: true,
  openScanner: true,
  scanProcesses: true,
  closeScanner: true,
  probeAccounting: true,
};

/** The names that an addon exports, as a process of its own finds them: what this process has loaded stays out of it. */
function exportsOf(file: string): string[] {
  const code = 'console.log(JSON.stringify(Object.keys(require(process.argv[1]))))';
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--eval', code, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

describe('the shipped addon exports what lib/native/addon.ts says, and nothing for tests', () => {
  for (const file of [
    'build/Release/percpu.node',
    `prebuilds/${process.platform}-${process.arch}/percpu.${runtimeLibc()}.node`,
  ]) {
    const path = join(repository, file);
    itUnless(notLinux || (existsSync(path) ? '' : 'not built'))(file, () => {
      expect(exportsOf(path).sort(), 'npm run build and npm run prebuild make them again').toEqual(
        Object.keys(SHIPPED).sort(),
      );
    });
  }
});
