// The same processes again and again, as a monitor does: RssScanner, three files, against pidusage, one file.
import pidusage from 'pidusage';
import { RssScanner } from '../../dist/index.js';
import { alternate } from './alternate.mjs';

export default async function measure({ pids }) {
  const scanner = new RssScanner({ pids });
  const result = await alternate(
    () => scanner.scan(),
    () => pidusage(pids),
    { rounds: 15, per: pids.length },
  );
  pidusage.clear();
  return result;
}
