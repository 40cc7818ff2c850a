import { afterEach, expect, it } from 'vitest';
import { Want } from '../../lib/proc/files/process-row.js';
import { openTree } from '../../lib/proc/proc-tree.js';
import { ProcessMemory } from '../../lib/proc/process-memory.js';
import { FakeProc } from '../support/proc-tree.js';

const tree = new FakeProc();
afterEach(() => tree.remove());

it('the memory of a process gives page tables and nothing else as page tables', () => {
  tree.set(10, { approximate: 5000, resident: 5000, rollupKiB: 20_000, pageTableKiB: 84, name: 'database' });
  const proc = openTree(tree.root);
  const memory = new ProcessMemory(proc.reader.readOne(proc.root, 10, Want.OOM), proc);
  expect(memory.pageTablePages()).toBe(21);
});
