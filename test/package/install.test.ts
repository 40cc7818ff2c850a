import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runtimeLibc } from '../../lib/native/loader.js';
import packageJson from '../../package.json' with { type: 'json' };
import { makeFolder, removeFolders, repository, runProgram } from '../support/consumer.js';

afterAll(removeFolders);

const prebuilt = join('prebuilds', `linux-${process.arch}`, `percpu.${runtimeLibc()}.node`);
const reason = process.platform === 'linux' ? `npm run prebuild has not made ${prebuilt}` : 'the addon is for Linux';
const noBinary = process.platform === 'linux' && existsSync(join(repository, prebuilt)) ? '' : ` (skipped: ${reason})`;

/** Makes every program that is started with `--require` of it see an old Node. */
const OLD_NODE = `Object.defineProperty(process, 'version', { value: 'v18.20.8' });
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });
`;
const TOO_OLD = 'percpu needs Node 20.19 or newer; this is v18.20.8';

describe.skipIf(process.platform === 'win32')('installed from its tarball (skipped on Windows)', () => {
  let project: string;
  let installed: string;
  let command: string;

  const write = (name: string, text: string) => writeFileSync(join(project, name), text);

  /** Runs a program in the project, and wants it to succeed. */
  async function succeed(program: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runProgram(program, args, { cwd: project });
    expect(code, `${stdout}${stderr}`).toBe(0);
    return stdout;
  }

  beforeAll(async () => {
    project = makeFolder();
    installed = join(project, 'node_modules', 'percpu');
    command = join(project, 'node_modules', '.bin', 'percpu');
    const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', project];
    const packed = await runProgram('npm', pack, { cwd: repository });
    expect(packed.code, packed.stderr).toBe(0);
    // Links to this repository's own: nothing is asked of a registry.
    const names = Object.keys(packageJson.dependencies);
    const links = Object.fromEntries(names.map((name) => [name, `file:${join(repository, 'node_modules', name)}`]));
    const tarball = `file:percpu-${packageJson.version}.tgz`;
    write('package.json', JSON.stringify({ private: true, dependencies: { percpu: tarball, ...links } }));
    const cache = join(project, 'cache');
    await succeed('npm', 'install', '--offline', '--no-audit', '--no-fund', '--cache', cache);
    for (const name of ['@types/node', 'undici-types']) {
      const place = join(project, 'node_modules', name);
      mkdirSync(join(place, '..'), { recursive: true });
      symlinkSync(join(repository, 'node_modules', name), place);
    }
  });

  it('has compiled nothing, and holds nothing that a package manager would compile', () => {
    for (const name of ['build', 'binding.gyp']) expect(existsSync(join(installed, name)), name).toBe(false);
  });

  it('counts where it is imported', async () => {
    write(
      'use.mjs',
      `import { CounterTree } from 'percpu';
       const counter = new CounterTree();
       counter.add(2);
       console.log(counter.preciseSum());`,
    );
    expect(await succeed(process.execPath, 'use.mjs')).toBe('2\n');
  });

  it('counts where it is required, with the same classes', async () => {
    write(
      'use.cjs',
      `const { CounterTree } = require('percpu');
       const counter = new CounterTree();
       counter.add(2);
       import('percpu').then((other) => console.log(counter.preciseSum(), other.CounterTree === CounterTree));`,
    );
    expect(await succeed(process.execPath, 'use.cjs')).toBe('2 true\n');
  });

  it.skipIf(noBinary !== '')(`loads the binary that it brings along${noBinary}`, async () => {
    const { engine } = JSON.parse(await succeed(command, 'doctor', '--json'));
    expect(engine.addonReason).toBe(`loaded from ${join(installed, prebuilt)}`);
  });

  it.each([
    ['nodenext', 'nodenext', 'use.mts'],
    ['nodenext', 'nodenext', 'use.cts'],
    ['bundler', 'esnext', 'use.ts'],
  ])('has types for moduleResolution %s, module %s, in %s', async (moduleResolution, module, file) => {
    write(
      file,
      `import { CounterTree, type RssReading, scanRss } from 'percpu';
       const sum: number = new CounterTree().preciseSum();
       const rows: Promise<RssReading[]> = scanRss();
       // @ts-expect-error A sum is a number.
       const text: string = new CounterTree().preciseSum();
       export const all = [sum, rows, text];`,
    );
    const options = { module, moduleResolution, target: 'es2023', lib: ['es2023'], types: ['node'] };
    const compilerOptions = { ...options, strict: true, noEmit: true, skipLibCheck: false };
    write('tsconfig.json', JSON.stringify({ compilerOptions, files: [file] }));
    expect(await succeed(join(repository, 'node_modules', '.bin', 'tsc'), '-p', project)).toBe('');
  });

  describe('says what it needs to an older Node, in one line', () => {
    const old = async (...args: string[]) => {
      write('old.cjs', OLD_NODE);
      // An older one requires no modules either.
      const flags = ['--no-experimental-require-module', '--require', './old.cjs'];
      return runProgram(process.execPath, [...flags, ...args], { cwd: project });
    };

    it.each([
      ['import', 'old-import.mjs', `await import('percpu').catch(({ message }) => console.log(message));`],
      ['require', 'old.js', `try { require('percpu'); } catch ({ message }) { console.log(message); }`],
    ])('by %s', async (_, file, text) => {
      write(file, text);
      const { stdout, stderr } = await old(file);
      expect(stdout, stderr).toBe(`${TOO_OLD}\n`);
    });

    it('on the command line', async () => {
      const { code, stderr } = await old(command, '--version');
      expect(stderr).toBe(`${TOO_OLD}\n`);
      expect(code).toBe(1);
    });
  });

  const offLinux = process.platform === 'linux' ? '' : ' (skipped: the addon is for Linux)';
  it.skipIf(offLinux !== '').each(['a folder', 'a link, as pnpm makes it'])(
    `is compiled with the tools of the project that has it, as %s${offLinux}`,
    async (kind) => {
      let folder = project;
      if (kind !== 'a folder') {
        folder = join(project, 'linked');
        mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
        symlinkSync(installed, join(folder, 'node_modules', 'percpu'));
      }
      const modules = join(folder, 'node_modules');
      mkdirSync(join(modules, 'node-addon-api'));
      writeFileSync(join(modules, 'node-addon-api', 'package.json'), '{}');
      const mark = join(folder, 'compiled');
      for (const name of ['cmake', 'cmake-js']) {
        const script = `#!/bin/sh\n[ "$1" = --version ] || echo "$0 $NODE_PATH" >'${mark}'\n`;
        writeFileSync(join(modules, '.bin', name), script, { mode: 0o755 });
      }
      const { code, stderr } = await runProgram(
        process.execPath,
        ['node_modules/percpu/scripts/build-addon.mjs', '--with', 'cmake-js'],
        { cwd: folder, env: { CXX: 'true', NODE_PATH: undefined } },
      );
      expect(stderr).toBe('built build/Release/percpu.node\n');
      expect(code).toBe(0);
      expect(readFileSync(mark, 'utf8')).toBe(`${join(modules, '.bin', 'cmake-js')} ${modules}\n`);
    },
  );
});
