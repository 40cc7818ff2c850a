import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { makeFolder, printed, removeFolders, repository } from '../support/consumer.js';

afterAll(removeFolders);

const addonPath = native.addon && native.attempts.at(-1)!.path;

/** Returns a non-zero number, which Node-API callers take for a refusal, and touches none of its arguments. */
const REFUSES = 'getpid';

// Electron and other builds of V8 with a memory cage let no ArrayBuffer be made over memory they do not own.
describe.skipIf(!addonPath)(
  `a runtime that refuses external buffers${addonPath ? '' : ` (skipped: ${native.reason})`}`,
  () => {
    it('asks for the CPU number by a system call instead, and says why', async () => {
      const bytes = readFileSync(addonPath!);
      const name = 'napi_create_external_arraybuffer';
      const at = bytes.indexOf(`\0${name}\0`, 0, 'latin1') + 1;
      expect(at).toBeGreaterThan(0);
      bytes.write(`${REFUSES}\0`, at, 'latin1');
      const path = join(makeFolder(), 'refused.node');
      writeFileSync(path, bytes);
      const dist = `${pathToFileURL(repository)}dist/`;
      const found = await printed(
        `const { CounterTree, CounterArena, runOnCpus } = await import('${dist}index.js');
       const { threadCpu } = await import('${dist}cpu/thread-cpu.js');
       const counter = new CounterTree();
       for (let i = 0; i < 1_000; i++) counter.add(1);
       const runs = await runOnCpus({ counter, iterations: 1_000 });
       console.log(JSON.stringify({
         source: CounterArena.default.cpuSource,
         reason: threadCpu.reason,
         exact: counter.preciseSum() === 1_000 * (1 + runs.length),
       }));`,
        { env: { PERCPU_NATIVE: path } },
      );
      expect(found).toEqual({
        source: 'getcpu',
        reason: expect.stringContaining('does not allow buffers over memory'),
        exact: true,
      });
    });
  },
);
