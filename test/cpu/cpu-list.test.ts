import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCpuList, MAX_CPU_NUMBER, parseCpuList } from '../../lib/cpu/cpu-list.js';

const parameters = process.env.SEED ? { seed: Number(process.env.SEED) } : {};

describe('parseCpuList', () => {
  it.each<[string, number[]]>([
    ['', []],
    ['\n', []],
    ['0', [0]],
    ['0-3,8,10-11\n', [0, 1, 2, 3, 8, 10, 11]],
    ['7-7', [7]],
    [' 1, 3-4 ', [1, 3, 4]],
    ['8,0-2', [0, 1, 2, 8]],
    ['0-5,2-3,5-6,5', [0, 1, 2, 3, 4, 5, 6]],
    ['63-64,1023-1024', [63, 64, 1023, 1024]],
    [`${MAX_CPU_NUMBER}`, [2 ** 20 - 1]],
  ])('%j', (list, cpus) => {
    expect(parseCpuList(list)).toEqual(cpus);
  });

  it.each([
    'all',
    '-1',
    '1-',
    '3-1',
    '1,,2',
    '1,',
    ',',
    '1 2',
    '0-3:1/2',
    '1-2-3',
    '1.5',
    '0x3',
    '1e3',
    '٣',
    '0-3\0',
    `${2 ** 20}`,
    '0-99999999999',
    `0-${'9'.repeat(400)}`,
  ])('refuses %j', (list) => {
    expect(() => parseCpuList(list)).toThrow(RangeError);
    expect(() => parseCpuList(list)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it.each<unknown>([undefined, null, 3, ['0']])('refuses %o, which is no string', (list) => {
    expect(() => parseCpuList(list as string)).toThrow(TypeError);
    expect(() => parseCpuList(list as string)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  });

  it('names the argument and the list', () => {
    expect(() => parseCpuList('0-x', 'cpus')).toThrow(/^cpus must be a CPU list .*"0-x"/);
  });

  it('takes time by the CPUs it returns, not by the CPUs it is told of', () => {
    const full = `0-${MAX_CPU_NUMBER}`;
    expect(parseCpuList(Array(10_000).fill(full).join()).length).toBe(2 ** 20);
  });
});

describe('formatCpuList', () => {
  it.each<[number[], string]>([
    [[], ''],
    [[5], '5'],
    [[0, 1], '0-1'],
    [[11, 0, 2, 1, 8, 3, 10, 8], '0-3,8,10-11'],
    [[1023, 1024, MAX_CPU_NUMBER], '1023-1024,1048575'],
  ])('%j', (cpus, list) => {
    expect(formatCpuList(cpus)).toBe(list);
    expect(formatCpuList(new Set(cpus))).toBe(list);
  });

  it.each([
    [-1, 'ERR_OUT_OF_RANGE'],
    [0.5, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    [MAX_CPU_NUMBER + 1, 'ERR_OUT_OF_RANGE'],
    ['1', 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o', (cpu, code) => {
    expect(() => formatCpuList([0, cpu as number])).toThrow(expect.objectContaining({ code }));
  });
});

describe('round trip', () => {
  // Small numbers make neighbours and ranges, large ones holes.
  const cpus = fc.uniqueArray(fc.oneof(fc.nat(40), fc.nat(MAX_CPU_NUMBER)));

  it('parse returns what format was given, ascending', () => {
    fc.assert(
      fc.property(cpus, (given) => {
        expect(parseCpuList(formatCpuList(given))).toEqual([...given].sort((a, b) => a - b));
      }),
      parameters,
    );
  });

  it('format returns the shortest list: no two ranges touch', () => {
    fc.assert(
      fc.property(cpus, (given) => {
        const runs = given.filter((cpu) => !given.includes(cpu - 1)).length;
        const list = formatCpuList(given);
        expect(list === '' ? 0 : list.split(',').length).toBe(runs);
        expect(formatCpuList(parseCpuList(list))).toBe(list);
      }),
      parameters,
    );
  });

  it('any text either parses or is refused as out of range', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789-, \n:/x') });
    fc.assert(
      fc.property(text, (list) => {
        try {
          expect(parseCpuList(list).every((cpu) => Number.isInteger(cpu) && cpu <= MAX_CPU_NUMBER)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
        }
      }),
      parameters,
    );
  });
});
