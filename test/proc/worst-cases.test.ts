import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { worstCases } from '../../lib/proc/accounting/model.js';

const GUIDE = readFileSync(new URL('../../docs/guide.md', import.meta.url), 'utf8');
const MIB_PER_PAGE = 4096 / 2 ** 20;

/** Rows of the guide's table of worst cases: CPUs, MiB flat, MiB tree. */
function documented(): number[][] {
  const [, table = ''] =
    /\| CPUs \| flat, MiB \| tree, MiB \|[^\n]*\n\|[-:| ]+\|\n((?:\|[^\n]+\|\n)+)/.exec(GUIDE) ?? [];
  const rows = table.trim().split('\n');
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, 4)
      .map((cell) => Number(cell.replaceAll(',', ''))),
  );
}

describe('worst cases of flat counters and counter trees', () => {
  test("are those of the guide's table, row by row", () => {
    const rows = documented();
    expect(rows.map(([cpus]) => cpus)).toEqual([2, 8, 16, 32, 48, 64, 128, 256, 384, 1024]);
    for (const [cpus, flat, tree] of rows) {
      const found = worstCases({ online: cpus!, possible: cpus! });
      const digits = (given: number) => (given < 10 ? 2 : 1);
      expect((found.flat * MIB_PER_PAGE).toFixed(digits(flat!)), `flat, ${cpus} CPUs`).toBe(
        flat!.toFixed(digits(flat!)),
      );
      expect((found.tree * MIB_PER_PAGE).toFixed(digits(tree!)), `tree, ${cpus} CPUs`).toBe(
        tree!.toFixed(digits(tree!)),
      );
    }
  });

  test('cross at 48 CPUs, and again at 65 and 66, where the order grows', () => {
    for (const cpus of [65, 66]) {
      const { flat, tree } = worstCases({ online: cpus, possible: cpus });
      expect(tree, `${cpus} CPUs`).toBeGreaterThan(flat);
    }
    for (let cpus = 3; cpus < 48; cpus++) {
      const { flat, tree } = worstCases({ online: cpus, possible: cpus });
      expect(tree, `${cpus} CPUs`).toBeGreaterThan(flat);
    }
    expect(worstCases({ online: 48, possible: 48 })).toEqual({ flat: 4560, tree: 4560 });
    for (let cpus = 49; cpus <= 1024; cpus++) {
      if (cpus === 65 || cpus === 66) continue;
      const { flat, tree } = worstCases({ online: cpus, possible: cpus });
      expect(tree, `${cpus} CPUs`).toBeLessThan(flat);
    }
  });
});
