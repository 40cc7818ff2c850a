import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectElf } from '../../lib/native/elf.js';
import { runtimeLibc, tryAddon } from '../../lib/native/loader.js';
import { readSymbols, symbolProblems } from '../../scripts/prebuild/elf-symbols.mjs';
import { targets } from '../../scripts/prebuild/targets.mjs';
import { repository } from '../support/consumer.js';

const LIBRARY = { glibc: ['libc.so.6'], musl: ['libc.so'] };

describe.each(targets)('$name', ({ arch, libc, file }) => {
  const path = join(repository, file);
  const absent = !existsSync(path);
  const title = absent ? ` (skipped: npm run prebuild has not made ${file})` : '';

  it.skipIf(absent)(`needs the C library alone, of glibc 2.28 or any musl${title}`, () => {
    const symbols = readSymbols(path);
    expect(symbolProblems(symbols)).toEqual([]);
    expect(symbols.exports).toEqual(
      expect.arrayContaining(['napi_register_module_v1', 'node_api_module_get_api_version_v1']),
    );
    expect(inspectElf(readFileSync(path))).toEqual({ arch, needed: LIBRARY[libc] });
  });

  it.skipIf(absent)(`is small, and names no folder of the machine that built it${title}`, () => {
    expect(statSync(path).size).toBeLessThan(120_000);
    const text = readFileSync(path, 'latin1');
    for (const folder of ['/tmp/', '/home/', '/root/', repository]) expect(text).not.toContain(folder);
  });

  const here = process.platform === 'linux' && arch === process.arch && libc === runtimeLibc();
  const skip = absent || !here;
  it.skipIf(skip)(`loads${absent ? title : here ? '' : ' (skipped: not for this machine)'}`, () => {
    expect(tryAddon(path, () => undefined)).toMatchObject({ version: expect.any(String) });
  });
});

describe('symbolProblems', () => {
  const symbol = (name: string, version?: string, weak = false) => ({ name, weak, ...(version && { version }) });
  const problems = (imports: object[], exports: string[] = [], stripped = true) =>
    symbolProblems({ imports, exports, stripped } as never);

  it.each([
    [symbol('fstat', 'GLIBC_2.33'), 'fstat of GLIBC_2.33'],
    [symbol('quick', 'GLIBC_2.28.1'), 'quick of GLIBC_2.28.1'],
    [symbol('_ZNSs', 'GLIBCXX_3.4.26'), '_ZNSs of GLIBCXX_3.4.26'],
    [symbol('secret', 'GLIBC_PRIVATE'), 'secret of GLIBC_PRIVATE'],
    [symbol('_Znwm'), '_Znwm of a C++ runtime'],
    [symbol('__cxa_throw', 'CXXABI_1.3'), '__cxa_throw of CXXABI_1.3'],
  ])('%j', (import_, problem) => {
    expect(problems([import_])).toContain(problem);
  });

  it('lets pass what every system has', () => {
    const fine = [symbol('free', 'GLIBC_2.2.5'), symbol('gettid', 'GLIBC_2.28'), symbol('napi_create_int32')];
    expect(problems([...fine, symbol('__cxa_finalize', 'GLIBC_2.2.5', true)], ['napi_register_module_v1'])).toEqual([]);
  });

  it('wants nothing else visible, and no symbols for debuggers', () => {
    expect(problems([], ['operator'], false)).toEqual(['not stripped', 'exports operator']);
  });
});
