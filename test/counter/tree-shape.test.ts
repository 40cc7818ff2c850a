import { describe, expect, it } from 'vitest';
import { kernelAccuracy, tightSlack, treeShape } from '../../lib/counter/tree-shape.js';

const ITEMS_BY_ORDER = [
  0, 1, 3, 7, 7, 11, 21, 21, 37, 73, 149, 293, 585, 1173, 2341, 4681, 4681, 8777, 17481, 34953, 69905,
];
const LEVELS_BY_ORDER = [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5];

describe('treeShape', () => {
  it.each(ITEMS_BY_ORDER.map((items, order) => ({ order, items })))('order $order has $items items', (expected) => {
    const shape = treeShape(2 ** expected.order);
    expect(shape.items).toBe(expected.items);
    expect(shape.order).toBe(expected.order);
    expect(shape.levels).toBe(LEVELS_BY_ORDER[expected.order]);
    expect(shape.arityOrders.reduce((sum, part) => sum + part, 0)).toBe(expected.order);
  });

  it('splits the order evenly, larger parts first', () => {
    expect(treeShape(256).arityOrders).toEqual([3, 3, 2]);
    expect(treeShape(1024).arityOrders).toEqual([3, 3, 2, 2]);
    expect(treeShape(65536).arityOrders).toEqual([4, 3, 3, 3, 3]);
    expect(treeShape(1).arityOrders).toEqual([]);
  });

  it('rounds the order up where the number of CPUs is no power of two', () => {
    expect(treeShape(3)).toEqual({ cpus: 3, order: 2, levels: 2, arityOrders: [1, 1], items: 3 });
    expect(treeShape(384)).toEqual({ cpus: 384, order: 9, levels: 3, arityOrders: [3, 3, 3], items: 73 });
    expect(treeShape(2 ** 20 - 1).order).toBe(20);
  });

  it.each([
    [0, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [1.5, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    [2 ** 20 + 1, 'ERR_OUT_OF_RANGE'],
    ['4', 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [4n, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %s', (cpus, code) => {
    expect(() => treeShape(cpus as number)).toThrow(expect.objectContaining({ code }));
  });
});

describe('bounds of a shape at batch 32', () => {
  it.each([
    [1, 0, 0],
    [2, 64, 62],
    [8, 768, 744],
    [256, 24_576, 23_808],
    [384, 49_152, 47_616],
  ])('%i CPUs: documented under %i, over %i', (cpus, under, over) => {
    expect(kernelAccuracy(treeShape(cpus), 32)).toEqual({ under, over });
  });

  it.each([
    [1, 0],
    [2, 62],
    [8, 504],
    [256, 22_272],
  ])('%i CPUs: tight slack %i', (cpus, slack) => {
    expect(tightSlack(treeShape(cpus), 32)).toBe(slack);
  });

  it('stays a safe integer at the largest batch and the most CPUs', () => {
    const shape = treeShape(2 ** 20);
    expect(Number.isSafeInteger(kernelAccuracy(shape, 2 ** 30).under)).toBe(true);
    expect(Number.isSafeInteger(tightSlack(shape, 2 ** 30))).toBe(true);
  });
});
