import { describe, expect, it } from 'vitest';
import { groupReadings } from '../../lib/proc/groups.js';
import type { ProcessIdentity } from '../../lib/proc/identity.js';
import type { RssReading } from '../../lib/proc/reading.js';
import { thrown } from '../support/thrown.js';

type Reading = RssReading & Partial<ProcessIdentity> & { swap?: number };

function reading(pid: number, name: string, precise: number, more: Partial<Reading> = {}): Reading {
  return { pid, name, precise, approximate: precise + 1, min: 0, max: 2 * precise, anon: 1, source: 'statm', ...more };
}

const identity: ProcessIdentity = {
  ppid: 1,
  startedAt: 0,
  uid: 7,
  user: null,
  threads: 1,
  command: [],
  cgroup: null,
  service: null,
};

describe('groupReadings', () => {
  it('adds up by name, the largest first, and errors without their signs', () => {
    const readings = [reading(1, 'a', 10), reading(2, 'b', 30), reading(3, 'a', 15, { approximate: 10 })];
    expect(groupReadings(readings, { by: 'name' })).toEqual([
      { group: 'b', processes: 1, precise: 30, approximate: 31, error: 1, anon: 1, pids: [2] },
      { group: 'a', processes: 2, precise: 25, approximate: 21, error: 6, anon: 2, pids: [1, 3] },
    ]);
  });

  it('has swap where all readings have it, and not where one has not', () => {
    const both = [reading(1, 'a', 1, { swap: 5 }), reading(2, 'a', 1, { swap: 6 })];
    expect(groupReadings(both, { by: 'name' })[0]).toMatchObject({ swap: 11 });
    expect(groupReadings([...both, reading(3, 'a', 1)], { by: 'name' })[0]).not.toHaveProperty('swap');
    expect(groupReadings([reading(3, 'a', 1), ...both], { by: 'name' })[0]).not.toHaveProperty('swap');
  });

  it('adds up what comes after the first in other, a group of that name too', () => {
    const readings = [reading(1, 'other', 50), reading(2, 'b', 40), reading(3, 'c', 30), reading(4, 'd', 20)];
    const short = groupReadings(readings, { by: 'name', top: 2 }).map(({ group, pids }) => ({ group, pids }));
    expect(short).toEqual([
      { group: 'b', pids: [2] },
      { group: 'other', pids: [1, 3, 4] },
    ]);
    expect(groupReadings(readings, { by: 'name', top: 4 }).map(({ group }) => group)).toEqual(['other', 'b', 'c', 'd']);
  });

  it('keeps every sum, whatever is shown', () => {
    const readings = Array.from({ length: 50 }, (_, pid) => reading(pid + 1, `n${pid % 17}`, pid * 3));
    for (const top of [1, 2, 16, 17, 99]) {
      const groups = groupReadings(readings, { by: 'name', top });
      expect(groups.reduce((sum, { precise }) => sum + precise, 0)).toBe(3 * ((49 * 50) / 2));
      expect(groups.flatMap(({ pids }) => pids).sort((a, b) => a - b)).toEqual(readings.map(({ pid }) => pid));
    }
  });

  it.each([
    ['command', { command: ['node', 'a b.js'] }, 'node a b.js'],
    ['command', { command: [] }, 'a'],
    ['service', { service: 'nginx.service' }, 'nginx.service'],
    ['service', {}, '(none)'],
    ['cgroup', { cgroup: '/x' }, '/x'],
    ['cgroup', {}, '(none)'],
    ['user', { user: 'root' }, 'root'],
    ['user', {}, '7'],
  ] as const)('by %s, of %o: %s', (by, more, group) => {
    const [only] = groupReadings(
      [reading(1, 'a', 1, { ...identity, ...more, command: [...((more as { command?: string[] }).command ?? [])] })],
      { by },
    );
    expect(only!.group).toBe(group);
  });

  it('leaves out what a function gives null', () => {
    const readings = [reading(1, 'a', 1), reading(2, 'b', 1)];
    expect(groupReadings(readings, { by: ({ pid }) => (pid === 2 ? 'two' : null) }).map(({ group }) => group)).toEqual([
      'two',
    ]);
  });

  it('groups nothing into nothing, and names that objects have', () => {
    expect(groupReadings([], { by: 'name', top: 1 })).toEqual([]);
    expect(groupReadings([reading(1, '__proto__', 1), reading(2, 'constructor', 1)], { by: 'name' })).toHaveLength(2);
  });

  it.each([
    [[5, { by: 'name' }], 'TypeError', /readings/],
    [[[{}], { by: 'name' }], 'TypeError', /readings\[0\]/],
    [[[null], { by: 'name' }], 'TypeError', /readings\[0\]/],
    [[[reading(1, 'a', 1)], { by: 'service' }], 'TypeError', /identity: true/],
    [[[], undefined], 'TypeError', /options\.by/],
    [[[], { by: 'color' }], 'RangeError', /options\.by/],
    [[[], { by: 'name', top: 0 }], 'RangeError', /options\.top/],
    [[[], { by: 'name', top: '3' }], 'TypeError', /options\.top/],
    [[[], { by: 'name', limit: 3 }], 'TypeError', /limit/],
    [[[reading(1, 'a', 1)], { by: () => 5 }], 'TypeError', /result of options\.by/],
  ])('refuses %o', (args, name, message) => {
    const error = thrown(() => groupReadings(...(args as Parameters<typeof groupReadings>)));
    expect(error).toMatchObject({ name, message: expect.stringMatching(message) });
    expect(error).toHaveProperty('code', name === 'TypeError' ? 'ERR_INVALID_ARG_TYPE' : 'ERR_OUT_OF_RANGE');
  });
});
