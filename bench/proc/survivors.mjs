// A machine where statm is as approximate as stat, as a tree of files: how many precise reads a prediction makes.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { predictVictim } from '../../dist/index.js';
import { Random } from '../random.mjs';

const CPUS = 256;
const PAGE_KIB = 4;
const MIB_PAGES = 256;

/** What three flat counters of max(32, 2 x 256) pages on 256 CPUs can hold back, at the most a third of it here. */
const HELD_BACK_PAGES = 512 * CPUS;

function writeProcess(root, pid, { rssPages, shownPages }) {
  const directory = join(root, String(pid));
  mkdirSync(directory);
  const write = (name, text) => writeFileSync(join(directory, name), text);
  const zeros = (count) => Array(count).fill(0).join(' ');
  write(
    'stat',
    `${pid} (task ${pid}) S 1 ${pid} ${pid} 0 -1 4194304 ${zeros(10)} 1 0 ${pid} 1000000000 ${shownPages} ${zeros(28)}\n`,
  );
  write('statm', `${shownPages * 2} ${shownPages} 0 1 0 ${shownPages} 0\n`);
  const status = { RssAnon: shownPages * PAGE_KIB, RssFile: 0, RssShmem: 0, VmPTE: 64, VmSwap: 0 };
  write(
    'status',
    Object.entries(status)
      .map(([name, kib]) => `${name}:\t${kib} kB\n`)
      .join(''),
  );
  write('smaps_rollup', `00400000-7ffffffff000 ---p 00000000 00:00 0 [rollup]\nRss: ${rssPages * PAGE_KIB} kB\n`);
  write('oom_score', '667\n');
  write('oom_score_adj', '0\n');
}

/** Some 1,000 processes of 20 MiB and one in a hundred of 1 to 8 GiB, which show up to 512 MiB less than they have. */
function writeTree(root, count, random) {
  writeFileSync(
    join(root, 'stat'),
    `cpu 0 0 0\n${Array.from({ length: CPUS }, (_, cpu) => `cpu${cpu} 0 0 0\n`).join('')}`,
  );
  writeFileSync(join(root, 'meminfo'), `MemTotal: ${512 * 2 ** 20} kB\nSwapTotal: 0 kB\n`);
  for (let i = 0; i < count; i++) {
    const large = i % 100 === 0;
    const rssPages = Math.round(
      large ? (1 + 7 * random.unit()) * 1024 * MIB_PAGES : random.logNormal(20 * MIB_PAGES, 0.5),
    );
    const shownPages = Math.max(0, rssPages - random.below(HELD_BACK_PAGES));
    writeProcess(root, 1000 + i, { rssPages, shownPages });
  }
}

export default async function measure({ count, seed }) {
  const root = mkdtempSync(join(tmpdir(), 'percpu-proc-'));
  try {
    writeTree(root, count, new Random(seed));
    const { preciseSums, ranking, certain } = await predictVictim({ root });
    const highestMinimum = Math.max(...ranking.map(({ min }) => min));
    const survivors = ranking.filter(({ max }) => max >= highestMinimum).length;
    return { preciseSums, survivors, eligible: ranking.length, certain };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
