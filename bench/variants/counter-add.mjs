// counter.add(1) on the default arena.
import { CounterTree } from '../../dist/index.js';
import { nsPerOperation } from '../sampling.mjs';

export default function measure() {
  const counter = new CounterTree();
  return nsPerOperation(2e6, (operations) => {
    for (let i = 0; i < operations; i++) counter.add(1);
  });
}
