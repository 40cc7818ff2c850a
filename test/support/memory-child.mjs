// memory-child.mjs ARENAS COUNTERS: makes and drops so many arenas, then makes and destroys so many counters in one
// arena, and says by how many bytes the process has grown from the first tenth to the end. Run with --expose-gc.
import { CounterArena, CounterTree, rss, runOnCpus } from '../../dist/index.js';
import { native } from '../../dist/native/native.js';

const [arenas, counters] = process.argv.slice(2).map(Number);
/** Between two collections; what was dropped is given back when the event loop has turned. */
const PER_COLLECTION = 50;

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function collect() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await turn();
  }
}

async function residentBytes() {
  await collect();
  return rss();
}

async function makeArenas(count) {
  for (let i = 0; i < count; i++) {
    const arena = new CounterArena({ cpus: 1 + (i % 64), ...(i % 2 === 0 ? { capacity: 100 } : {}) });
    const [a, b] = CounterTree.createMany(2, { arena });
    a.add(i);
    // Some attached a second time, some shared, some destroyed, most just dropped.
    if (i % 3 === 0) CounterTree.attach(b.share()).add(1);
    if (i % 5 === 0) a.destroy();
    if (native.addon && i % 100 === 0) await runOnCpus({ counter: b, iterations: 10 });
    if (i % PER_COLLECTION === 0) await collect();
  }
}

async function makeCounters(count, arena) {
  for (let made = 0; made < count; made += 1_000) {
    const some = made % 2_000 === 0 ? CounterTree.createMany(1_000, { arena }) : [];
    while (some.length < 1_000) some.push(new CounterTree({ arena, batchSize: 2 }));
    for (const counter of some) counter.add(3);
    for (const counter of some) counter.destroy();
    if (made % 50_000 === 0) await turn();
  }
  if (arena.size !== 0) throw new Error(`${arena.size} counters are left`);
}

async function growth(count, make) {
  await make(Math.ceil(count / 10));
  const before = await residentBytes();
  await make(count - Math.ceil(count / 10));
  return (await residentBytes()) - before;
}

const arena = new CounterArena({ cpus: 8 });
const result = {
  arenas: await growth(arenas, makeArenas),
  counters: await growth(counters, (count) => makeCounters(count, arena)),
};
process.stdout.write(JSON.stringify(result));
