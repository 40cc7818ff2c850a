// A restartable sequence on a cache line of the thread's own: no locked instruction at all.
import { measureNative } from '../counters/native.mjs';

export default () => measureNative('rseq');
