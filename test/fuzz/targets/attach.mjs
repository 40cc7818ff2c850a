// CounterArena.attach and CounterTree.attach: handles that are none, and memory that somebody has written to. Whatever
// they say yes to must then work: no access outside of the memory, no error without a code.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CounterArena } from '../../../dist/counter/arena.js';
import { CounterTree } from '../../../dist/counter/counter-tree.js';
import { DESCRIPTOR_BYTES, Header, LEAF_OFFSETS } from '../../../dist/counter/layout.js';
import { pick } from '../inputs.mjs';
import { attempt, require } from '../verdict.mjs';
import { HOSTILE_VALUES, OWN_ERROR } from './hostile-values.mjs';

// A slot that seems to rest would be waited for.
Atomics.wait = () => 'timed-out';

/** Arenas to damage: each with its memory as it was, and two live counters. */
function prepare(engine, cpus) {
  const arena = new CounterArena({ engine, cpus, capacity: 12 });
  const counters = [...CounterTree.createMany(3, { arena }), new CounterTree({ arena, batchSize: 2 })];
  for (const [index, counter] of counters.entries()) counter.add(1000 * index);
  const arenaHandle = arena.share();
  const handles = counters.map((counter) => counter.share());
  const { memory } = arenaHandle;
  const words = new Int32Array(memory instanceof SharedArrayBuffer ? memory : memory.buffer);
  const descriptors = handles.map(({ slot, generation }) => {
    // The one place where the words of its descriptor begin with its generation and end with its batch size.
    const batch = counters[handles.findIndex((handle) => handle.slot === slot)].batchSize;
    for (let at = words.length - DESCRIPTOR_BYTES / 4; at > LEAF_OFFSETS / 4 + 8192; at -= DESCRIPTOR_BYTES / 4) {
      const first = at - (at % (DESCRIPTOR_BYTES / 4)) + slot * (DESCRIPTOR_BYTES / 4);
      if (words[first] === generation && words[first + 7] === batch && words[first + 4] !== 0) return first;
    }
    throw new Error('no descriptor found');
  });
  return { arena, counters, arenaHandle, handles, words, copy: words.slice(), descriptors };
}

let prepared;
const arenas = () => {
  prepared ??= ['wasm', 'ts'].flatMap((engine) => [1, 3, 8, 20].map((cpus) => prepare(engine, cpus)));
  return prepared;
};

const EDGE_WORDS = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  63,
  64,
  255,
  256,
  4096,
  8191,
  8192,
  65_536,
  2 ** 20,
  2 ** 20 + 1,
  2 ** 30,
  2 ** 31 - 1,
  -1,
  -2,
  -8,
  -64,
  -(2 ** 31),
];
const HEADER_WORDS = [...Object.values(Header), 12, 13, 14, 15];
const ARENA_FIELDS = ['type', 'version', 'processId', 'arenaId', 'engine', 'memory'];
const COUNTER_FIELDS = ['type', 'version', 'processId', 'arena', 'slot', 'generation'];

function generateEdits(random, { words, descriptors }) {
  return Array.from({ length: 1 + random(3) }, () => {
    const where = random(8);
    const word =
      where < 4
        ? pick(random, HEADER_WORDS)
        : where < 6
          ? pick(random, descriptors) + random(8)
          : where < 7
            ? LEAF_OFFSETS / 4 + random(random(2) === 0 ? 300 : 8192)
            : random(words.length);
    const how = random(4);
    const value =
      how === 0
        ? words[word] + pick(random, [1, -1, 8, -8, 64, 65_536])
        : how === 1
          ? words[word] ^ (1 << random(32))
          : how === 2
            ? random(2 ** 31)
            : pick(random, EDGE_WORDS);
    return [word, value | 0];
  });
}

function generate(random) {
  const which = random(arenas().length);
  const arena = arenas()[which];
  const input = { which, counter: random(arena.counters.length), edits: [], fields: {} };
  const what = random(4);
  if (what !== 0) input.edits = generateEdits(random, arena);
  if (what === 0 || random(16) === 0) {
    const fields = random(2) === 0 ? ARENA_FIELDS : COUNTER_FIELDS;
    // Two values: what it says when asked first, and from then on.
    for (let n = 1 + random(2); n > 0; n--) {
      const first = random(HOSTILE_VALUES.length);
      input.fields[`${fields === ARENA_FIELDS ? 'arena' : 'counter'}.${pick(random, fields)}`] = [
        first,
        random(2) === 0 ? first : random(HOSTILE_VALUES.length),
      ];
    }
  }
  return input;
}

function withHostileFields(handle, fields, prefix) {
  const result = { ...handle };
  for (const [name, [first, later]] of Object.entries(fields)) {
    if (!name.startsWith(prefix)) continue;
    let asked = 0;
    Object.defineProperty(result, name.slice(prefix.length), {
      enumerable: true,
      get: () => HOSTILE_VALUES[asked++ === 0 ? first : later],
    });
  }
  return result;
}

const passes = (error) => error === OWN_ERROR;
let nextId = 2 ** 40;

// Looking at a shared memory takes the longer, the more instances are still to be collected.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const INPUTS_PER_COLLECTION = 1_000;

function use(arena, outcomes) {
  const act = (what, run) => attempt(outcomes, what, run);
  act('size', () => arena.size);
  act('shape', () => arena.shape);
  const made = act('create', () => CounterTree.createMany(2, { arena, initial: 5 }));
  for (const counter of made ?? []) useCounter(counter, outcomes, true);
}

function useCounter(counter, outcomes, fresh) {
  const act = (what, run) => attempt(outcomes, what, run);
  if (fresh) require(act('preciseSum', () => counter.preciseSum()) === 5, 'a new counter is not what it was made with');
  act('add', () => counter.add(77));
  act('addOn', () => counter.addOn(0, -3_000_000_000));
  act('approximateSum', () => counter.approximateSum());
  act('preciseSum', () => counter.preciseSum());
  act('preciseSumBigInt', () => counter.preciseSumBigInt());
  act('bounds', () => counter.bounds());
  act('leaves', () => counter.leaves());
  act('compare', () => counter.compare(3));
  act('set', () => counter.set(-1));
  act('share', () => CounterTree.attach(counter.share()));
  act('destroy', () => counter.destroy());
}

function check({ which, counter, edits, fields }, outcomes) {
  const { arenaHandle, handles, words, copy } = arenas()[which];
  // Another name, so that it is looked at anew.
  const arenaId = nextId++;
  if (arenaId % INPUTS_PER_COLLECTION === 0) collect();
  words[Header.ARENA_ID] = arenaId;
  words[Header.ARENA_ID + 1] = arenaId / 2 ** 32;
  for (const [word, value] of edits) words[word] = value;
  try {
    const shared = withHostileFields({ ...arenaHandle, arenaId }, fields, 'arena.');
    const arena = attempt(outcomes, 'CounterArena.attach', () => CounterArena.attach(shared), passes);
    if (arena) use(arena, outcomes);
    const handle = withHostileFields({ ...handles[counter], arena: { ...arenaHandle, arenaId } }, fields, 'counter.');
    const attached = attempt(outcomes, 'CounterTree.attach', () => CounterTree.attach(handle), passes);
    if (attached) useCounter(attached, outcomes, false);
  } finally {
    words.set(copy);
  }
}

export const attach = [{ name: 'attach', share: 130, corpus: 'json', generate, check }];
