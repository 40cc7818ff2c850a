import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CounterArena } from '../../lib/counter/arena.js';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { Mm, type SharedMm } from '../../lib/mm/mm.js';
import { percpu, TestWorker, terminateWorkers } from '../support/built.js';
import { usableEngines } from '../support/engines.js';
import { Gate } from '../support/gate.js';
import { destroyed, rangeError, thrown, typeError } from '../support/thrown.js';

let workers: TestWorker[];
beforeAll(async () => {
  workers = [new TestWorker(), new TestWorker()];
  await Promise.all(workers.map((worker) => worker.call('ready')));
});
afterAll(terminateWorkers);

describe.each(['wasm', 'ts'] as const)('an mm that threads share (%s)', (engine) => {
  it('is charged by two workers at once, exactly', async () => {
    const mm = new percpu.Mm({
      arena: new percpu.CounterArena({ cpus: 8, engine }),
      name: 'web',
      pageTableBytes: 8192,
    });
    const gate = new Gate();
    const times = 20_000;
    const charging = workers.map((worker) => worker.call('chargeMm', { mm: mm.share(), times, gate: gate.buffer }));
    gate.open();
    const seen = await Promise.all(charging);
    expect(seen).toEqual(Array(2).fill({ name: 'web', pageTableBytes: 8192 }));
    expect(['file', 'anon', 'swap', 'shmem'].map((kind) => mm.counterSum(kind as 'file'))).toEqual([
      2 * times,
      4 * times,
      6 * times,
      8 * times,
    ]);
    expect(mm.rssSum()).toBe(14 * times);
    const { under, over } = mm.accuracy;
    expect(mm.rss()).toBeGreaterThanOrEqual(14 * times - under);
    expect(mm.rss()).toBeLessThanOrEqual(14 * times + over);
    await workers[0]!.call('destroyMm', { mm: mm.share() });
    expect(thrown(() => mm.rss())).toEqual(destroyed);
    expect(mm.destroy()).toEqual({ leaked: {} });
  });

  it('outlives the worker that made it', async () => {
    const arena = new percpu.CounterArena({ cpus: 2, engine });
    const maker = new TestWorker();
    const handle = await maker.call<SharedMm>('makeMm', { arena: arena.share() });
    await maker.terminate();
    expect(arena.size).toBe(4);
    const mm = percpu.Mm.attach(handle);
    expect(mm.counterSum('anon')).toBe(11);
    expect(mm.destroy()).toEqual({ leaked: { anon: 11 } });
    expect(arena.size).toBe(0);
  });
});

describe.each(usableEngines)('a handle of an mm, on $name', (engine) => {
  it('leads to the same counters', () => {
    const mm = new Mm({ arena: engine.arena({ cpus: 4, capacity: 8 }), name: 'a', pageTableBytes: 12_345 });
    const attached = Mm.attach(mm.share());
    attached.add('shmem', 5);
    mm.addOn(3, 'shmem', 6);
    expect([mm.rssSum(), attached.rssSum()]).toEqual([11, 11]);
    expect(attached.rssBounds()).toEqual(mm.rssBounds());
    expect([attached.name, attached.pageTableBytes]).toEqual(['a', 12_345]);
    expect(attached.pageTablePages()).toBe(mm.pageTablePages());
    expect(attached.accuracy).toEqual(mm.accuracy);
    const one = new CounterTree({ arena: engine.arena({ cpus: 4, capacity: 1 }) });
    expect(mm.accuracy).toEqual({ under: 3 * one.accuracy.under, over: 3 * one.accuracy.over });
  });

  it('is destroyed once, for all, and every method says so', () => {
    const mm = new Mm({ arena: engine.arena({ cpus: 4, capacity: 8 }) });
    const handle = mm.share();
    const attached = Mm.attach(handle);
    mm.add('file', 3);
    expect(attached.destroy()).toEqual({ leaked: { file: 3 } });
    expect(mm.destroy()).toEqual({ leaked: {} });
    const uses: (() => unknown)[] = [
      () => mm.add('anon', 1),
      () => mm.addOn(0, 'anon', 1),
      () => mm.counter('anon'),
      () => mm.counterSum('swap'),
      () => mm.rss(),
      () => mm.rssSum(),
      () => mm.rssBounds(),
      () => mm.swap(),
      () => mm.swapSum(),
      () => mm.pageTablePages(),
      () => mm.fork(),
      () => mm.share(),
      () => Mm.attach(handle),
    ];
    for (const use of uses) expect(thrown(use), String(use)).toEqual(destroyed);
  });
});

describe('Mm.attach', () => {
  const arena = new CounterArena({ cpus: 2 });
  const handle = new Mm({ arena, name: 'x' }).share();
  const attach = (change: Record<string, unknown>) => thrown(() => Mm.attach({ ...handle, ...change } as SharedMm));

  it('refuses what is no handle', () => {
    for (const other of [undefined, null, 1, 'x', {}, [], arena.share(), new CounterTree({ arena }).share()]) {
      expect(thrown(() => Mm.attach(other as never))).toEqual(typeError('shared', 'Mm.share()'));
    }
    expect(attach({ version: 0 })).toEqual(rangeError('shared.version'));
    expect(attach({ processId: process.pid + 1 })).toEqual(rangeError('shared.processId'));
    expect(attach({ name: 1 })).toEqual(typeError('shared.name'));
    expect(attach({ pageTableBytes: -1 })).toEqual(rangeError('shared.pageTableBytes'));
    expect(attach({ pageTableBytes: '1' })).toEqual(typeError('shared.pageTableBytes'));
    expect(attach({ arena: null })).toEqual(typeError('shared'));
  });

  it('refuses counters that are not those of one mm', () => {
    const { counters } = handle;
    for (const given of [null, {}, [], counters.slice(1), 'abcd']) {
      expect(attach({ counters: given })).toEqual(typeError('shared.counters'));
    }
    expect(attach({ counters: [counters[0], counters[1], counters[2], null] })).toEqual(
      typeError('shared.counters[3]'),
    );
    expect(attach({ counters: Array(4).fill(counters[0]) })).toEqual(rangeError('shared.counters'));
    expect(attach({ counters: counters.map(({ slot }) => ({ slot, generation: 3 })) })).toEqual(destroyed);
    expect(attach({ counters: counters.map(({ slot }) => ({ slot, generation: 2 })) })).toEqual(rangeError('shared'));
    const wide = new CounterTree({ arena, batchSize: 64 }).share();
    expect(attach({ counters: [...counters.slice(0, 3), wide] })).toEqual(rangeError('shared.counters'));
  });
});
