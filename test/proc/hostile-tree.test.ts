import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openTreeSoon, procReader } from '../../lib/proc/proc-tree.js';
import { FakeProc } from '../support/proc-tree.js';
import { readFixture, writeTree } from '../support/sys-tree.js';

const entry = new URL('../../dist/index.js', import.meta.url).href;
const offLinux = process.platform === 'linux' ? '' : ` (skipped: no FIFOs like these on ${process.platform})`;

const folders: string[] = [];
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A module's standard output as JSON, of a process that is ended where it hangs. */
async function resultInTime<T>(code: string, env: Record<string, string>): Promise<T> {
  const environment = { ...process.env, ...env };
  // The test runner's own settings are not for the child.
  delete environment.NODE_OPTIONS;
  const text = `import * as percpu from ${JSON.stringify(entry)};\n${code}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text], {
    env: environment,
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  return JSON.parse(stdout) as T;
}

const kinds: Record<string, (path: string) => void> = {
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a directory': (path) => mkdirSync(path),
  'a link to a file': (path) => {
    writeFileSync(`${path}.there`, '1 2 3\n');
    symlinkSync(`${path}.there`, path);
  },
  'a link to a device': (path) => symlinkSync('/dev/zero', path),
  'a socket': (path) => {
    servers.push(createServer().listen(path));
  },
};

const PROCESS_FILES = ['stat', 'statm', 'status', 'smaps_rollup', 'oom_score_adj', 'oom_score'].map(
  (name) => `7/${name}`,
);
const MACHINE_FILES = ['stat', 'meminfo', 'sys/vm/swappiness'];
const THREAD_FILES = ['stat', 'statm', 'status', 'smaps_rollup'].map((name) => `9/task/10/${name}`);

/** Two processes that can be read, one of them without its first thread, and one whose file or whose machine's is `path`. */
function treeWith(path: string, make: (path: string) => void): string {
  const tree = new FakeProc({ onlineCpus: 2, ramKiB: 1_000_000 });
  folders.push(tree.root);
  for (const pid of [5, 7]) tree.set(pid, { resident: 10 * pid, rollupKiB: 40 * pid });
  tree.set(9, { state: 'Z', threads: 2 }).set(9, { resident: 3 }, 10);
  const file = join(tree.root, path);
  rmSync(file, { recursive: true, force: true });
  mkdirSync(dirname(file), { recursive: true });
  make(file);
  return tree.root;
}

interface Outcome {
  read: number | string;
  path?: string;
  scanned: number[] | string;
  kept: number[] | string;
  ranked: number[] | string;
}

describe.each([{ PERCPU_NATIVE: '0' }, { PERCPU_NATIVE: '1' }])(
  `a tree that others have made, %o${offLinux}`,
  (env) => {
    it.skipIf(offLinux !== '').each(Object.keys(kinds))(
      `%s in place of a file is EBADMSG, and is not waited for${offLinux}`,
      async (kind) => {
        const files = [...PROCESS_FILES, ...MACHINE_FILES, ...THREAD_FILES];
        const roots = files.map((file) => treeWith(file, kinds[kind]!));
        const outcomes = await resultInTime<Outcome[]>(
          `const outcomes = [];
       const code = (error) => error.code + (error instanceof percpu.PercpuError ? '' : ' of another class');
       for (const root of ${JSON.stringify(roots)}) {
         const outcome = {};
         try { outcome.read = percpu.readRss(7, { root }).precise; } catch (error) {
           outcome.read = code(error);
           outcome.path = error.path.slice(root.length + 1);
         }
         const pids = (rows) => rows.map(({ pid }) => pid).sort((a, b) => a - b);
         outcome.scanned = await percpu.scanRss({ root }).then(pids, code);
         try {
           const scanner = new percpu.RssScanner({ root });
           await scanner.scan();
           outcome.kept = pids(await scanner.scan());
         } catch (error) { outcome.kept = code(error); }
         outcome.ranked = await percpu.predictVictim({ root }).then(({ ranking }) => pids(ranking), code);
         outcomes.push(outcome);
       }
       console.log(JSON.stringify(outcomes));`,
          env,
        );
        const others = [5, 9];
        const all = [5, 7, 9];
        const expected = files.map((file): Outcome => {
          const whole = { read: 70 * 4096, scanned: all, kept: all, ranked: all };
          if (file === 'stat')
            return { read: 'EBADMSG', path: file, scanned: 'EBADMSG', kept: 'EBADMSG', ranked: 'EBADMSG' };
          if (MACHINE_FILES.includes(file)) return { ...whole, ranked: 'EBADMSG' };
          if (/oom_score/.test(file)) return { ...whole, ranked: others };
          if (/smaps_rollup$/.test(file)) return whole;
          // Of the ninth only its first thread is left, which has ended.
          if (THREAD_FILES.includes(file)) return { ...whole, ranked: [5, 7] };
          return { read: 'EBADMSG', path: file, scanned: others, kept: others, ranked: others };
        });
        expect(Object.fromEntries(outcomes.map((outcome, i) => [files[i], outcome]))).toEqual(
          Object.fromEntries(expected.map((outcome, i) => [files[i], outcome])),
        );
      },
    );

    it.skipIf(offLinux !== '')(`a FIFO in place of a directory is as none${offLinux}`, async () => {
      const fifo = kinds['a FIFO']!;
      const roots = [treeWith('11', fifo), treeWith('9/task', fifo)];
      const none = join(mkdtempSync(join(tmpdir(), 'percpu-fifo-')), 'root');
      folders.push(dirname(none));
      fifo(none);
      const outcomes = await resultInTime<unknown[]>(
        `const outcomes = [];
       for (const root of ${JSON.stringify([...roots, none])}) {
         outcomes.push(await percpu.scanRss({ root }).then((rows) => rows.map(({ pid }) => pid), ({ code }) => code));
       }
       console.log(JSON.stringify(outcomes));`,
        env,
      );
      expect(outcomes).toEqual([[5, 7, 9], [5, 7, 9], 'ENOTDIR']);
    });
  },
);

describe.skipIf(offLinux !== '')(`a sysfs tree that others have made${offLinux}`, () => {
  it.each(Object.keys(kinds))('%s in place of a file is EBADMSG', async (kind) => {
    const machine = readFixture('numa-8');
    const places = [
      /cpu\/online$/,
      /cpu\/possible$/,
      /core_id$/,
      /cpu0\/cache\/index3\/shared_cpu_list$/,
      /node\/online$/,
      /cpulist$/,
      /status$/,
    ];
    const files = places.map((place) => Object.keys(machine).find((path) => place.test(path))!);
    const roots = files.map((file) => {
      const root = writeTree(machine);
      rmSync(join(root, file));
      kinds[kind]!(join(root, file));
      return root;
    });
    const outcomes = await resultInTime<string[]>(
      `const look = (root) => { try { return percpu.topology({ root }).online; } catch ({ code, path }) { return [code, path]; } };
       console.log(JSON.stringify(${JSON.stringify(roots)}.map(look)));`,
      {},
    );
    expect(outcomes).toEqual(files.map((file, i) => ['EBADMSG', join(roots[i]!, file)]));
  });

  it('a file without an end is EBADMSG', async () => {
    const tree = new FakeProc({ onlineCpus: 2 });
    folders.push(tree.root);
    execFileSync('truncate', ['--size', '1T', join(tree.root, 'stat')]);
    const code = `try { percpu.readRss(7, { root: ${JSON.stringify(tree.root)} }); } catch ({ code }) { console.log(JSON.stringify(code)); }`;
    expect(await resultInTime(code, {})).toBe('EBADMSG');
  });
});

describe('opening a tree of many processes that tell nothing', () => {
  it('ends when the signal fires, and lets the event loop have its turns', async () => {
    const tree = new FakeProc();
    folders.push(tree.root);
    const processes = 3_000;
    for (let pid = 1; pid <= processes; pid++) mkdirSync(join(tree.root, String(pid)));
    const read = vi.spyOn(procReader, 'readOne');
    try {
      const controller = new AbortController();
      setImmediate(() => controller.abort(new Error('enough')));
      await expect(openTreeSoon(tree.root, controller.signal)).rejects.toMatchObject({
        code: 'ABORT_ERR',
        cause: { message: 'enough' },
      });
      expect(read.mock.calls.length).toBeGreaterThan(0);
      expect(read.mock.calls.length).toBeLessThan(processes);
      read.mockClear();
      await expect(openTreeSoon(tree.root, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORT_ERR' });
      expect(read).not.toHaveBeenCalled();
      expect(await openTreeSoon(tree.root, undefined)).toMatchObject({ root: tree.root });
      expect(read.mock.calls.length).toBe(processes);
    } finally {
      read.mockRestore();
    }
  });
});
