// A bare atomic add (lock xadd on x86-64) to a cache line of the thread's own.
import { measureNative } from '../counters/native.mjs';

export default () => measureNative('private-atomic');
