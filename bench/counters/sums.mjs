// Sums of a counter whose leaves all hold something.
import { CounterArena, CounterTree } from '../../dist/index.js';
import { nsPerOperation } from '../sampling.mjs';

/** @returns {number} nanoseconds per sum. */
export function measureSum(method, cpus, operations) {
  const counter = new CounterTree({ arena: new CounterArena({ cpus, capacity: 1 }) });
  for (let cpu = 0; cpu < cpus; cpu++) counter.addOn(cpu, 1000 + cpu);
  let expected = 0;
  return nsPerOperation(operations, (times) => {
    for (let i = 0; i < times; i++) expected += counter[method]();
    if (!Number.isFinite(expected)) throw new Error('unreachable: keeps the sums alive');
  });
}
