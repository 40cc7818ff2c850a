import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { isLauncher, observerPids } from '../../lib/proc/observer.js';
import { FakeProc } from '../support/proc-tree.js';
import { itUnless, notLinux } from '../support/skip.js';

describe('isLauncher', () => {
  it.each([
    ['npm exec percpu rss\0', true],
    ['node\0/usr/lib/node_modules/npm/bin/npx-cli.js\0percpu\0', true],
    ['/usr/bin/node\0/usr/bin/pnpm\0exec\0percpu\0', true],
    ['sh\0-c\0percpu rss\0', true],
    ['/bin/bash\0-ec\0percpu rss\0', true],
    ['-bash\0', false],
    ['sh\0script.sh\0', false],
    ['node\0server.js\0', false],
    ['npmserver\0', false],
    ['', false],
  ])('%j: %s', (command, expected) => expect(isLauncher(command)).toBe(expected));
});

let tree: FakeProc | undefined;
afterEach(() => tree?.remove());

function addProcess(root: string, pid: number, { parent = 1, group = pid, name = 'x', command = '' }): void {
  mkdirSync(join(root, String(pid)), { recursive: true });
  writeFileSync(join(root, String(pid), 'stat'), `${pid} (${name}) S ${parent} ${group} 1 0 -1 0\n`);
  writeFileSync(join(root, String(pid), 'cmdline'), command);
}

describe('observerPids', () => {
  it('goes up as long as there are launchers in the same process group', () => {
    tree = new FakeProc();
    const { root } = tree;
    addProcess(root, 40, { parent: 30, group: 20, name: 'a) S 7 7 (', command: 'node\0main.js\0' });
    addProcess(root, 30, { parent: 20, group: 20, command: 'sh\0-c\0percpu rss\0' });
    addProcess(root, 20, { parent: 10, group: 20, command: 'npm exec percpu rss\0' });
    addProcess(root, 10, { parent: 1, group: 10, command: 'bash\0-c\0npx percpu rss\0' });
    symlinkSync('40', join(root, 'self'));
    expect([...observerPids(root)]).toEqual([40, 30, 20]);
  });

  it('stops at a program that is no launcher, though it is in the group', () => {
    tree = new FakeProc();
    const { root } = tree;
    addProcess(root, 40, { parent: 30, group: 20, command: 'node\0main.js\0' });
    addProcess(root, 30, { parent: 20, group: 20, command: 'node\0server.js\0' });
    addProcess(root, 20, { parent: 1, group: 20, command: 'sh\0-c\0node server.js\0' });
    symlinkSync('40', join(root, 'self'));
    expect([...observerPids(root)]).toEqual([40]);
  });

  it('knows nobody in the tree of another machine', () => {
    tree = new FakeProc();
    tree.set(10, {});
    expect(observerPids(tree.root).size).toBe(0);
  });

  itUnless(notLinux)('does not wait where a file is a pipe', () => {
    tree = new FakeProc();
    mkdirSync(join(tree.root, 'self'));
    expect(spawnSync('mkfifo', [join(tree.root, 'self', 'stat')]).status).toBe(0);
    const module = fileURLToPath(new URL('../../dist/proc/observer.js', import.meta.url));
    const code = `import { observerPids } from ${JSON.stringify(module)}; console.log(observerPids(${JSON.stringify(tree.root)}).size)`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(stdout).toBe('0\n');
  });

  itUnless(notLinux)('finds a shell with -c that started the process', () => {
    const module = fileURLToPath(new URL('../../dist/proc/observer.js', import.meta.url));
    const code = `import { observerPids } from '${module}'; console.log(JSON.stringify([process.pid, process.ppid, ...observerPids()]))`;
    const { stdout } = spawnSync('sh', ['-c', `"${process.execPath}" --input-type=module -e "$CODE"; :`], {
      encoding: 'utf8',
      env: { ...process.env, CODE: code },
    });
    const [own, parent, ...found] = JSON.parse(stdout) as number[];
    expect(found.slice(0, 2)).toEqual([own, parent]);
  });
});
