import { native } from '../../lib/native.js';
import type { ProcReader } from '../../lib/proc/reader.js';
import { nativeReader } from '../../lib/proc/reader-native.js';
import { tsReader } from '../../lib/proc/reader-ts.js';

export interface NamedReader {
  name: string;
  reader: ProcReader | undefined;
  /** Why the reader is not there. */
  skipped: string;
}

/** Every reader of /proc there is; the addon's is undefined where it did not load. */
export const readers: NamedReader[] = [
  { name: 'TypeScript', reader: tsReader, skipped: '' },
  {
    name: 'native',
    reader: native.addon && nativeReader(native.addon),
    skipped: native.addon ? '' : ` (skipped: no addon, ${native.reason})`,
  },
];
