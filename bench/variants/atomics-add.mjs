// Atomics.add on an Int32Array over a SharedArrayBuffer: the plainest shared counter JavaScript has.
import { nsPerOperation } from '../sampling.mjs';

export default function measure() {
  const words = new Int32Array(new SharedArrayBuffer(64));
  return nsPerOperation(2e6, (operations) => {
    for (let i = 0; i < operations; i++) Atomics.add(words, 0, 1);
  });
}
