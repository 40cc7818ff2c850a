// The C++ engine on one pinned thread: CPU number, leaf, carries.
import { CounterTree } from '../../dist/index.js';
import { measureNative } from '../counters/native.mjs';

export default () => measureNative('tree', new CounterTree());
