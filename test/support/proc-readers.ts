import { native } from '../../lib/native/native.js';
import type { ProcReader } from '../../lib/proc/files/reader.js';
import { nativeReader } from '../../lib/proc/files/reader-native.js';
import { tsReader } from '../../lib/proc/files/reader-ts.js';

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
