import { describe, expect, it } from 'vitest';
import { oomBadness, oomScore } from '../../lib/oom/badness.js';
import type { OomTask } from '../../lib/oom/memory.js';
import { type SelectVictimOptions, selectVictim } from '../../lib/oom/select-victim.js';
import { type FakeMemory, fakeTask } from './fake-memory.js';

const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** What `run` throws, in a form to compare with. */
function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    const { name, code, message } = error as Error & { code: string };
    return { name, code, message };
  }
  return 'nothing thrown';
}

/** A task with pid 42 and one method of its memory replaced. */
function withMethod(method: keyof FakeMemory, returns: unknown): OomTask {
  const task = fakeTask(42, 10);
  return Object.assign(task, { mm: Object.assign(Object.create(task.mm), { [method]: () => returns }) });
}

const strategies = ['exact', 'kernel', 'precise', 'approximate'] as const;

describe('totalPages', () => {
  const task = fakeTask(2, 10);
  it.each([
    [0, range],
    [-1, range],
    [1.5, range],
    [Number.NaN, range],
    [Number.POSITIVE_INFINITY, range],
    [2 ** 53, range],
    ['1000', type],
    [1000n, type],
    [undefined, type],
    [null, type],
  ])('%s', (totalPages, error) => {
    const expected = expect.objectContaining({ ...error, message: expect.stringContaining('totalPages') });
    expect(thrown(() => oomBadness(task, totalPages as number))).toEqual(expected);
    expect(thrown(() => oomScore(task, totalPages as number))).toEqual(expected);
    expect(thrown(() => selectVictim([task], { totalPages: totalPages as number }))).toEqual(expected);
    expect(thrown(() => selectVictim([], { totalPages: totalPages as number }))).toEqual(expected);
  });
});

describe('options', () => {
  it.each<[unknown, object, string]>([
    [undefined, type, 'totalPages'],
    [null, type, 'options'],
    [7, type, 'options'],
    [{ totalPages: 10, strategy: 'fast' }, range, "'exact', 'kernel', 'precise', 'approximate'"],
    [{ totalPages: 10, strategy: 'toString' }, range, 'strategy'],
    [{ totalPages: 10, strategy: 3 }, type, 'strategy'],
    [{ totalPages: 10, maxPreciseSums: -1 }, range, 'maxPreciseSums'],
    [{ totalPages: 10, maxPreciseSums: Number.NaN }, range, 'maxPreciseSums'],
    [{ totalPages: 10, maxPreciseSums: 1.5 }, range, 'maxPreciseSums'],
    [{ totalPages: 10, maxPreciseSums: '16' }, type, 'maxPreciseSums'],
    [{ totalPages: 10, maxPreciseSums: null }, type, 'maxPreciseSums'],
    [{ totalPages: 10, maxPreciseSums: -1, strategy: 'precise' }, range, 'maxPreciseSums'],
  ])('%j', (options, error, message) => {
    expect(thrown(() => selectVictim([], options as SelectVictimOptions))).toMatchObject({
      ...error,
      message: expect.stringContaining(message),
    });
  });

  it('oomBadness knows two precisions', () => {
    const badness = (precision: unknown) => () => oomBadness(fakeTask(2, 1), 10, precision as 'precise');
    expect(thrown(badness('exact'))).toMatchObject(range);
    expect(thrown(badness(1))).toMatchObject(type);
  });
});

describe('tasks', () => {
  it.each([undefined, null, 5, {}, { length: 0 }, () => [], (async function* () {})()])(
    '%s is no iterable',
    (tasks) => {
      const error = thrown(() => selectVictim(tasks as unknown as OomTask[], { totalPages: 10 }));
      expect(error).toMatchObject({ ...type, message: expect.stringContaining('tasks') });
    },
  );

  it.each([undefined, null, 5, 'abc', () => {}])('%s is no task', (task) => {
    expect(thrown(() => selectVictim([task as unknown as OomTask], { totalPages: 10 }))).toMatchObject(type);
    expect(thrown(() => oomBadness(task as unknown as OomTask, 10))).toMatchObject(type);
    expect(thrown(() => oomScore(task as unknown as OomTask, 10))).toMatchObject(type);
  });

  it('characters of a string are no tasks', () => {
    expect(thrown(() => selectVictim('ab' as unknown as OomTask[], { totalPages: 10 }))).toMatchObject(type);
  });

  it('closes the iterable it rejects a task of', () => {
    let closed = false;
    function* tasks() {
      try {
        yield fakeTask(-1, 1);
      } finally {
        closed = true;
      }
    }
    expect(thrown(() => selectVictim(tasks(), { totalPages: 10 }))).toMatchObject(range);
    expect(closed).toBe(true);
  });

  it('an iterable that throws throws its own error, and nothing has been summed', () => {
    const error = new Error('read failed');
    const task = fakeTask(2, { rss: 1, rssAbove: 5 });
    function* tasks() {
      yield task;
      throw error;
    }
    for (const strategy of strategies) {
      expect(() => selectVictim(tasks(), { totalPages: 10, strategy })).toThrow(error);
    }
    expect((task.mm as FakeMemory).sums).toBe(0);
  });

  it.each([
    ['rising pids', [2, 3, 4]],
    ['falling pids', [4, 3, 2]],
    ['init alone', [1]],
    ['equal pids', [7, 7]],
  ])('an iterable that goes round in circles ends in an error: %s', (_, pids) => {
    const circle = pids.map((pid) => fakeTask(pid, 1));
    function* forever() {
      for (;;) yield* circle;
    }
    const error = thrown(() => selectVictim(forever(), { totalPages: 10 }));
    expect(error).toMatchObject({ ...range, message: expect.stringContaining(`pid ${pids[0]}`) });
  });

  it('a repeated task is found wherever it comes', () => {
    const again = fakeTask(5, 1, { skip: true });
    const tasks = [fakeTask(2, 1), again, fakeTask(9, 1), fakeTask(3, 1), fakeTask(12, 1), again];
    expect(thrown(() => selectVictim(tasks, { totalPages: 10 }))).toMatchObject(range);
  });

  it('two tasks with one pid are two tasks', () => {
    const tasks = [fakeTask(5, 1), fakeTask(5, 2)];
    expect(selectVictim(tasks, { totalPages: 10 }).victim).toBe(tasks[1]);
  });
});

describe('fields of a task', () => {
  it.each([
    [undefined, type],
    ['2', type],
    [2n, type],
    [-1, range],
    [2.5, range],
    [Number.NaN, range],
    [2 ** 53, range],
  ])('pid %s', (pid, error) => {
    const task = { ...fakeTask(2, 1), pid: pid as number };
    const expected = { ...error, message: expect.stringContaining('pid') };
    expect(thrown(() => selectVictim([task], { totalPages: 10 }))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10))).toMatchObject(expected);
  });

  it.each([
    [-1001, range],
    [1001, range],
    [0.5, range],
    [Number.NaN, range],
    ['0', type],
    [null, type],
  ])('oomScoreAdj %s', (oomScoreAdj, error) => {
    const task = fakeTask(42, 1, { oomScoreAdj: oomScoreAdj as number });
    const expected = { ...error, message: expect.stringContaining('oomScoreAdj of pid 42') };
    for (const each of [task, { ...task, kernelThread: true }, { ...task, dying: true }]) {
      expect(thrown(() => selectVictim([each], { totalPages: 10 }))).toMatchObject(expected);
      expect(thrown(() => oomBadness(each, 10))).toMatchObject(expected);
      expect(thrown(() => oomScore(each, 10))).toMatchObject(expected);
    }
  });

  it.each([{}, 5, 'mm', true, { rss: () => 1 }, { ...fakeTask(1, 1).mm }])('mm %s', (mm) => {
    const task = { pid: 42, mm } as unknown as OomTask;
    const expected = { ...type, message: expect.stringContaining('mm of pid 42') };
    expect(thrown(() => selectVictim([task], { totalPages: 10 }))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10, 'approximate'))).toMatchObject(expected);
  });
});

describe.each(strategies)('figures of a memory, %s', (strategy) => {
  it.each<[keyof FakeMemory, unknown, object]>([
    ['rssBounds', { min: 11, max: 10 }, range],
    ['rssBounds', { min: 0.5, max: 10 }, range],
    ['rssBounds', { min: 0, max: Number.NaN }, range],
    ['rssBounds', { min: 0, max: Number.POSITIVE_INFINITY }, range],
    ['rssBounds', { min: 0 }, type],
    ['rssBounds', { min: 0n, max: 10n }, type],
    ['rssBounds', undefined, type],
    ['rssBounds', null, type],
    ['rssBounds', 10, type],
    ['swap', { min: 1, max: 0 }, range],
    ['swap', 0, type],
    ['swap', { min: '0', max: '9' }, type],
    ['pageTablePages', 0.25, range],
    ['pageTablePages', '1', type],
    ['pageTablePages', undefined, type],
  ])('%s() that gives %o', (method, returns, error) => {
    const expected = { ...error, message: expect.stringMatching(new RegExp(`${method}\\(\\) of pid 42`)) };
    const tasks = [fakeTask(2, 1_000), withMethod(method, returns)];
    expect(thrown(() => selectVictim(tasks, { totalPages: 10, strategy }))).toMatchObject(expected);
  });

  it('a badness past the safe integers', () => {
    const task = fakeTask(42, { rss: Number.MAX_SAFE_INTEGER, swap: 1 });
    const expected = { ...range, message: expect.stringContaining('badness of pid 42') };
    expect(thrown(() => selectVictim([task], { totalPages: 10, strategy }))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10))).toMatchObject(expected);
  });

  it('a method that throws throws its own error', () => {
    const error = new Error('gone');
    const task = fakeTask(42, 1);
    task.mm.rssBounds = () => {
      throw error;
    };
    expect(() => selectVictim([task], { totalPages: 10, strategy })).toThrow(error);
  });
});

describe('figures read for one purpose', () => {
  it.each<[keyof FakeMemory, unknown, object]>([
    ['rssSum', 0.5, range],
    ['rssSum', Number.NaN, range],
    ['rssSum', undefined, type],
    ['swapSum', 2 ** 53, range],
    ['swapSum', 1n, type],
  ])('%s() that gives %s', (method, returns, error) => {
    const expected = { ...error, message: expect.stringContaining(`${method}() of pid 42`) };
    const task = withMethod(method, returns);
    expect(thrown(() => selectVictim([task], { totalPages: 10, strategy: 'precise' }))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10))).toMatchObject(expected);
    expect(thrown(() => oomScore(task, 10))).toMatchObject(expected);
  });

  it.each<[keyof FakeMemory, unknown, object]>([
    ['rss', 0.5, range],
    ['rss', undefined, type],
    ['swap', { min: 2, max: 1 }, range],
  ])('%s() that gives %o', (method, returns, error) => {
    const expected = { ...error, message: expect.stringContaining(`${method}() of pid 42`) };
    const task = withMethod(method, returns);
    expect(thrown(() => selectVictim([task], { totalPages: 10, strategy: 'approximate' }))).toMatchObject(expected);
    expect(thrown(() => oomBadness(task, 10, 'approximate'))).toMatchObject(expected);
  });
});
