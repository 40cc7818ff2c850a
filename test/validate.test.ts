import { describe, expect, test } from 'vitest';
import { percpu } from './support/built.js';

const {
  CounterArena,
  CounterTree,
  Mm,
  PinnedWorker,
  predictVictim,
  RssGuard,
  RssScanner,
  readRss,
  runOnCpus,
  scanRss,
  selectVictim,
  topology,
} = percpu;

/** Every entry point that takes options, with a name that is almost one of them. */
const MISSPELT: [what: string, call: () => unknown, given: string, meant: string][] = [
  ['CounterArena', () => new CounterArena({ cpu: 2 } as never), 'cpu', 'cpus'],
  ['CounterTree', () => new CounterTree({ batch: 2 } as never), 'batch', 'batchSize'],
  ['CounterTree.createMany', () => CounterTree.createMany(2, { Initial: 2 } as never), 'Initial', 'initial'],
  ['Mm', () => new Mm({ pageTablebytes: 1 } as never), 'pageTablebytes', 'pageTableBytes'],
  ['PinnedWorker', () => new PinnedWorker('x', { cpus: 0 } as never), 'cpus', 'cpu'],
  ['PinnedWorker', () => new PinnedWorker('x', { cpu: 0, workerdata: 0 } as never), 'workerdata', 'workerData'],
  ['RssGuard', () => new RssGuard({ limit: 1, interval: 5 } as never), 'interval', 'intervalMs'],
  ['RssScanner', () => new RssScanner({ pid: [1] } as never), 'pid', 'pids'],
  ['readRss', () => readRss('self', { rot: '/' } as never), 'rot', 'root'],
  ['selectVictim', () => selectVictim([], { totalPages: 1, stategy: 'exact' } as never), 'stategy', 'strategy'],
  ['topology', () => topology({ roots: '/' } as never), 'roots', 'root'],
  ['runOnCpus', () => runOnCpus({ iteration: 1 } as never), 'iteration', 'iterations'],
  ['scanRss', () => scanRss({ signals: 1 } as never), 'signals', 'signal'],
  ['predictVictim', () => predictVictim({ cgroups: '/' } as never), 'cgroups', 'cgroup'],
];

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('options', () => {
  test.each(MISSPELT)('%s refuses a name nobody knows, and says which is near', async (_what, call, given, meant) => {
    const error = await thrownBy(call);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining(`no '${given}'; did you mean '${meant}'?`),
    });
  });

  test.each([
    [
      'a getter that throws',
      Object.defineProperty({}, 'root', {
        enumerable: true,
        get: () => {
          throw new Error('no');
        },
      }),
    ],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
    [
      'a proxy whose traps throw',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
    ],
  ])('%s: an error of this package, with the other one as its cause', async (_what, value) => {
    for (const call of [() => readRss('self', value), () => scanRss(value), () => topology(value)]) {
      expect(await thrownBy(call)).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: 'options cannot be read: a getter or a proxy throws',
        cause: expect.any(Error),
      });
    }
  });

  test('each is read once', () => {
    const roots = ['/proc', 5];
    expect(
      readRss('self', {
        get root() {
          return roots.shift() as string;
        },
      }).pid,
    ).toBe(process.pid);
    expect(roots).toEqual([5]);
  });

  test('what they are meant for is named where that is clear', async () => {
    expect(await thrownBy(() => scanRss([1] as never))).toMatchObject({
      message: 'options must be an object with options, as in { pids }; given: an object (Array)',
    });
  });

  test('a name is quoted without what steers a terminal', () => {
    expect(() => new CounterArena({ 'a\u009b\u202e': 1 } as never)).toThrow("no 'a\\u009b\\u202e'; known");
  });

  test('a name that resembles none lists those there are', () => {
    expect(() => new CounterArena({ flavour: 1 } as never)).toThrow("no 'flavour'; known: cpus, capacity, engine");
  });

  test.each([
    ['an array', [1]],
    ['a function', () => 1],
    ['an AbortSignal', new AbortController().signal],
    ['null', null],
  ])('%s is none', async (_what, value) => {
    for (const call of [() => scanRss(value as never), () => new CounterTree(value as never)]) {
      expect(await thrownBy(call)).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    }
  });
});
