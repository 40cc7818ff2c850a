import { destroyedError } from '../errors.js';
import type { ArenaMemory } from './arena-memory.js';
import type { CounterEngine } from './engine.js';
import type { ArenaLayout } from './layout.js';
import { HOT_PATH_BASE64 } from './wasm/hot-path-binary.js';

type HotPath = Omit<CounterEngine, 'name'> & {
  init(
    cpus: number,
    leafOffsetMask: number,
    order: number,
    levels: number,
    ...arityOrdersBelowRoot: [number, number, number, number]
  ): void;
};

function throwDestroyed(): never {
  throw destroyedError();
}

let compiled: WebAssembly.Module | undefined;

/**
 * The engine of wasm/hot-path.ts. It holds the exports themselves, so a hot loop calls them directly. The memory must be a
 * `WebAssembly.Memory`.
 */
export function wasmEngine(memory: ArenaMemory, { shape, leafOffsetEntries }: ArenaLayout): CounterEngine {
  compiled ??= new WebAssembly.Module(Buffer.from(HOT_PATH_BASE64, 'base64'));
  const instance = new WebAssembly.Instance(compiled, {
    env: { memory: memory.shareable as WebAssembly.Memory, destroyed: throwDestroyed },
  });
  const hotPath = instance.exports as HotPath;
  const [a1 = 0, a2 = 0, a3 = 0, a4 = 0] = shape.arityOrders;
  hotPath.init(shape.cpus, leafOffsetEntries - 1, shape.order, shape.levels, a1, a2, a3, a4);
  return { name: 'wasm', ...hotPath };
}
