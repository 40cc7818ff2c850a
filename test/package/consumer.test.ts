import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { makeConsumer, removeFolders, repository, runProgram } from '../support/consumer.js';
import { itUnless, noAddon } from '../support/skip.js';

afterAll(removeFolders);

const USE = `
  const counter = new CounterTree({ batchSize: 32 });
  counter.add(1);
  const sum: number = counter.preciseSum();
  const { min, max }: { min: number; max: number } = counter.bounds();
  const shared: SharedCounter = counter.share();
  const run: Promise<CpuRun[]> = runOnCpus({ counter, iterations: 1 });
  const rows: Promise<RssReading[]> = scanRss({ pids: [1] });
  // @ts-expect-error A delta is a number.
  counter.add('1');
  // @ts-expect-error There is no such option.
  new CounterTree({ batch: 32 });
  export const all = [sum, min, max, shared, run, rows];
`;
const NAMES = 'CounterTree, type CpuRun, type RssReading, runOnCpus, scanRss, type SharedCounter';
const ESM = `import { ${NAMES} } from 'percpu';\n${USE}`;
const CJS = ESM.replace('import {', 'import percpu = require("percpu");\nimport type {')
  .replace(NAMES, 'CpuRun, RssReading, SharedCounter')
  .replaceAll('new CounterTree', 'new percpu.CounterTree')
  .replace('= runOnCpus', '= percpu.runOnCpus')
  .replace('= scanRss', '= percpu.scanRss');

describe('types, as a consumer sees them', () => {
  const cases: [string, string, string, string][] = [
    ['node16', 'node16', 'use.mts', ESM],
    ['nodenext', 'nodenext', 'use.mts', ESM],
    ['nodenext, required', 'nodenext', 'use.cts', CJS],
    ['bundler', 'esnext', 'use.ts', ESM],
  ];

  it.each(cases)('moduleResolution %s', async (name, module, file, text) => {
    const folder = makeConsumer({ [file]: text });
    const options = {
      module,
      moduleResolution: name.split(',')[0],
      target: 'es2023',
      strict: true,
      noEmit: true,
      lib: ['es2024'],
      skipLibCheck: true,
      types: ['node'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [file] }));
    const tsc = join(repository, 'node_modules', '.bin', 'tsc');
    const { code, stdout } = await runProgram(tsc, ['-p', folder]);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });
});

const COUNT = 'const counter = new CounterTree(); counter.add(2); console.log(counter.preciseSum());';

describe('the package is taken with', () => {
  it.each([
    ['import', 'use.mjs', `import { CounterTree } from 'percpu'; ${COUNT}`],
    ['require', 'use.cjs', `const { CounterTree } = require('percpu'); ${COUNT}`],
    ['import() in CommonJS', 'use.cjs', `import('percpu').then(({ CounterTree }) => { ${COUNT} });`],
  ])('%s', async (_, file, text) => {
    const folder = makeConsumer({ [file]: text });
    const { code, stdout, stderr } = await runProgram(process.execPath, [join(folder, file)]);
    expect(stdout, stderr).toBe('2\n');
    expect(code).toBe(0);
  });
});

/** Bundles a module with everything it needs of the package. */
async function bundle(text: string, format: 'esm' | 'cjs' = 'esm') {
  const folder = makeConsumer({ 'use.mjs': text });
  const outfile = join(folder, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs');
  const result = await build({
    entryPoints: [join(folder, 'use.mjs')],
    bundle: true,
    platform: 'node',
    format,
    outfile,
    metafile: true,
    logLevel: 'silent',
  });
  const [output] = Object.values(result.metafile.outputs);
  const kept = Object.entries(output!.inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path.replace(/^(.*\/)?dist\//, ''));
  return { folder, outfile, kept, warnings: result.warnings, text: readFileSync(outfile, 'utf8') };
}

const STATUS = `import { CounterTree, currentCpu } from 'percpu';
  const counter = new CounterTree();
  counter.add(2);
  console.log(JSON.stringify([counter.preciseSum(), counter.arena?.cpuSource, currentCpu() >= 0]));`;

describe('a bundler', () => {
  it('leaves out what is not used', async () => {
    const { kept, text } = await bundle(`import { treeShape } from 'percpu'; console.log(treeShape(8).levels);`);
    for (const unused of [
      'native.js',
      'cpu/thread-cpu.js',
      'counter/arena.js',
      'mm/mm.js',
      'proc/rss.js',
      'cli/main.js',
    ]) {
      expect(kept).not.toContain(unused);
    }
    expect(kept).toContain('counter/tree-shape.js');
    expect(text.length).toBeLessThan(10_000);
  });

  it('takes the counters without reading of processes, OOM selection and the command line', async () => {
    const { kept } = await bundle(STATUS);
    expect(kept).toContain('counter/counter-tree.js');
    expect(kept.filter((path) => /^(cli|oom|mm|proc)\//.test(path))).toEqual([]);
  });

  it('leaves the addon where it is, and the bundle finds it in the installed package', async () => {
    const { outfile, text, warnings } = await bundle(STATUS.replace("'percpu';", "'percpu';\n"));
    expect(warnings).toEqual([]);
    expect(text).not.toContain('\x7fELF');
    const { code, stdout, stderr } = await runProgram(process.execPath, [outfile]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).at(0)).toBe(2);
  });

  itUnless(noAddon)('so it does', async () => {
    const { outfile } = await bundle(`import { runOnCpus, CounterTree } from 'percpu';
      const runs = await runOnCpus({ counter: new CounterTree(), iterations: 10 });
      console.log(runs.length > 0);`);
    const { stdout, stderr } = await runProgram(process.execPath, [outfile]);
    expect(stdout, stderr).toBe('true\n');
  });

  it('makes CommonJS of it that runs on the fallback', async () => {
    const { outfile } = await bundle(STATUS, 'cjs');
    const { code, stdout, stderr } = await runProgram(process.execPath, [outfile]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).at(0)).toBe(2);
  });
});
