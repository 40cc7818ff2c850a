import { expect, it } from 'vitest';
import { CounterTree } from '../../lib/counter/counter-tree.js';
import { describeEngines, type TestEngine } from '../support/engines.js';
import { itemsInMemory } from '../support/tree-model.js';

/** One add, and what items and approximate sum are after it. Items: the lowest level first, the root last. */
type Step = [cpu: number, delta: number, items: (number | string)[], approximate: number];

/** Runs the steps; a text among the expected items, `5 x 0`, stands for that many equal ones. */
function follow(engine: TestEngine, cpus: number, batchSize: number, steps: Step[]): void {
  const counter = new CounterTree({ arena: engine.arena({ cpus, capacity: 1 }), batchSize });
  let precise = 0;
  for (const [index, [cpu, delta, items, approximate]] of steps.entries()) {
    counter.addOn(cpu, delta);
    precise += delta;
    const expected = items.flatMap((item) => {
      if (typeof item === 'number') return [item];
      const [times, value] = item.split(' x ').map(Number) as [number, number];
      return Array<number>(times).fill(value);
    });
    const step = `step ${index}: CPU ${cpu}, ${delta}`;
    expect(itemsInMemory(counter).map(Number), step).toEqual(expected);
    expect(counter.approximateSum(), step).toBe(approximate);
    expect(counter.preciseSum(), step).toBe(precise);
  }
}

describeEngines('carries, worked by hand', (engine) => {
  it('1 CPU: the leaf is all there is', () => {
    follow(engine, 1, 32, [
      [0, 31, [], 31],
      [0, 1, [], 32],
      [0, -40, [], -8],
    ]);
  });

  it('2 CPUs, batch 32: each leaf carries to the root', () => {
    follow(engine, 2, 32, [
      [0, 31, [0], 0],
      [0, 1, [32], 32],
      [1, -1, [0], 0],
      [1, 1, [32], 32],
      [0, 95, [96], 96],
      [0, 1, [128], 128],
      [0, -129, [-32], -32],
      [1, 2 ** 40 + 5, [2 ** 40 - 32], 2 ** 40 - 32],
    ]);
  });

  it('3 CPUs, batch 2: steps 2 and 4; CPUs 0 and 2 share an item', () => {
    follow(engine, 3, 2, [
      [0, 1, [0, 0, 0], 0],
      [0, 1, [2, 0, 0], 0],
      [2, 2, [4, 0, 4], 4],
      [1, 3, [4, 2, 4], 4],
      [1, 1, [4, 4, 8], 8],
      // A carry of 4 is a multiple of the item's step and passes it by.
      [1, 4, [4, 4, 12], 12],
      // From 2 to -1 it is floor(-1 / 2) * 2 - 2 = -4, which passes the item by as well.
      [0, -3, [4, 4, 8], 8],
      [0, -1, [4, 4, 8], 8],
      // From -2 to -3: -2 takes the item from 4 to 2, and that 4 off the root.
      [0, -1, [2, 4, 4], 4],
    ]);
  });

  it('8 CPUs, batch 32: steps 32, 64, 128; items c mod 4, then c mod 2', () => {
    follow(engine, 8, 32, [
      [0, 32, [32, 0, 0, 0, 0, 0, 0], 0],
      // CPU 4 shares CPU 0's item: together they carry 64 to item 0 of level 2.
      [4, 32, [64, 0, 0, 0, 64, 0, 0], 0],
      // 64 skips level 1 and stays on item 1 of level 2.
      [1, 64, [64, 0, 0, 0, 64, 64, 0], 0],
      [3, 64, [64, 0, 0, 0, 64, 128, 128], 128],
      // 128 skips both.
      [5, 128, [64, 0, 0, 0, 64, 128, 256], 256],
      // 96 is no multiple of 64: it stands on level 1, and 64 of it go on.
      [2, 96, [64, 0, 96, 0, 128, 128, 384], 384],
      [2, -1, [64, 0, 64, 0, 128, 128, 384], 384],
      [2, -95, [64, 0, 64, 0, 64, 128, 256], 256],
      // Below 0 the floor is one step down on each level: 32 off item 3, 64 off item 1 of level 2, 128 off the root.
      [7, -1, [64, 0, 64, -32, 64, 64, 128], 128],
      [3, -64, [64, 0, 64, -32, 64, 0, 128], 128],
      // From -32 to -64 the item stays within the step from -64 to -1.
      [3, -1, [64, 0, 64, -64, 64, 0, 128], 128],
      [3, -63, [64, 0, 64, -96, 64, -64, 0], 0],
      [3, -64, [64, 0, 64, -96, 64, -128, 0], 0],
    ]);
  });

  it('6 CPUs: the tree of 8, two leaves short', () => {
    follow(engine, 6, 4, [
      [5, 4, ['1 x 0', 4, '5 x 0'], 0],
      [1, 4, ['1 x 0', 8, '3 x 0', 8, 0], 0],
      [3, 8, ['1 x 0', 8, '3 x 0', 16, 16], 16],
    ]);
  });

  it('64 CPUs, batch 32: steps 128 and 512 below the root; items c mod 16, then c mod 4', () => {
    follow(engine, 64, 32, [
      [63, 96, ['15 x 0', 96, '5 x 0'], 0],
      [47, 32, ['15 x 0', 128, '3 x 0', 128, 0], 0],
      [35, 384, ['15 x 0', 128, '3 x 0', 512, 512], 512],
      [0, 512, ['15 x 0', 128, '3 x 0', 512, 1_024], 1_024],
      [15, -128, ['15 x 0', 128, '3 x 0', 384, 512], 512],
      [16, -1, [-32, '14 x 0', 128, -128, '2 x 0', 384, 0], 0],
    ]);
  });

  it('256 CPUs, batch 32: steps 256 and 2,048 below the root; items c mod 32, then c mod 4', () => {
    follow(engine, 256, 32, [
      [255, 32, ['31 x 0', 32, '5 x 0'], 0],
      [31, 224, ['31 x 0', 256, '3 x 0', 256, 0], 0],
      [3, 1_792, ['31 x 0', 256, '3 x 0', 2_048, 2_048], 2_048],
      [128, 2_048, ['31 x 0', 256, '3 x 0', 2_048, 4_096], 4_096],
      [128, -1, [-32, '30 x 0', 256, -256, '2 x 0', 2_048, 2_048], 2_048],
    ]);
  });

  it('1,024 CPUs have four levels: 3, 3, 2, 2', () => {
    // Items: 128 of step 16, 16 of step 128, 4 of step 512, the root.
    follow(engine, 1_024, 2, [
      [1_023, 15, ['127 x 0', 14, '21 x 0'], 0],
      [895, 2, ['127 x 0', 16, '15 x 0', 16, '5 x 0'], 0],
      [15, 112, ['127 x 0', 16, '15 x 0', 128, '3 x 0', 128, 0], 0],
      [3, 384, ['127 x 0', 16, '15 x 0', 128, '3 x 0', 512, 512], 512],
      // floor(-15 / 2) * 2 = -16 passes level 1 by and takes a step off each other one.
      [127, -15, ['127 x 0', 16, '15 x 0', 112, '3 x 0', 384, 0], 0],
    ]);
  });

  it('65,536 CPUs have five levels: 4, 3, 3, 3, 3', () => {
    // Items: 4,096 of step 32, 512 of step 256, 64 of step 2,048, 8 of step 16,384, the root.
    follow(engine, 65_536, 2, [
      [65_535, 30, ['4095 x 0', 30, '585 x 0'], 0],
      [4_095, 2, ['4095 x 0', 32, '511 x 0', 32, '73 x 0'], 0],
      [511, 224, ['4095 x 0', 32, '511 x 0', 256, '63 x 0', 256, '9 x 0'], 0],
      [63, 1_792, ['4095 x 0', 32, '511 x 0', 256, '63 x 0', 2_048, '7 x 0', 2_048, 0], 0],
      [7, 14_336, ['4095 x 0', 32, '511 x 0', 256, '63 x 0', 2_048, '7 x 0', 16_384, 16_384], 16_384],
      // 30 to 29: one batch of 2 off the lowest item, and from there a step off every level.
      [65_535, -1, ['4095 x 0', 30, '511 x 0', 224, '63 x 0', 1_792, '7 x 0', 14_336, 0], 0],
    ]);
  });
});
