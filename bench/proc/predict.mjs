// Whom the kernel would kill, against one reading of the same processes.
import { predictVictim, scanRss } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

export default async function measure() {
  const { length } = await scanRss();
  return alternate(
    () => predictVictim(),
    () => scanRss(),
    { rounds: 21, per: length },
  );
}
