import { describe } from 'vitest';
import { arenaWithEngine, CounterArena, type CounterArenaOptions } from '../../lib/counter/arena.js';
import type { EngineFactory } from '../../lib/counter/engine.js';
import { tsEngine } from '../../lib/counter/engine-ts.js';
import { wasmEngine } from '../../lib/counter/engine-wasm.js';
import { nativeEngine } from './native-engine.js';
import { noTestAddon } from './test-addon.js';

/** One way to do the counter's arithmetic, and how to make an arena that does it this way. */
export interface TestEngine {
  readonly name: 'ts' | 'wasm' | 'native';
  /** Why it cannot be tested here. */
  readonly missing?: string;
  readonly factory: EngineFactory;
  arena(options?: Omit<CounterArenaOptions, 'engine'>): CounterArena;
}

export const engines: readonly TestEngine[] = [
  { name: 'ts', factory: tsEngine, arena: (options) => new CounterArena({ ...options, engine: 'ts' }) },
  { name: 'wasm', factory: wasmEngine, arena: (options) => new CounterArena({ ...options, engine: 'wasm' }) },
  {
    name: 'native',
    ...(noTestAddon ? { missing: noTestAddon } : {}),
    factory: nativeEngine,
    arena: (options) => arenaWithEngine({ ...options }, nativeEngine),
  },
];

export const usableEngines = engines.filter(({ missing }) => missing === undefined);

/** The same cases for every engine; one that is missing is skipped, and the title says why. */
export function describeEngines(title: string, cases: (engine: TestEngine) => void): void {
  for (const engine of engines) {
    if (engine.missing === undefined) describe(`${title}: ${engine.name}`, () => cases(engine));
    else describe.skip(`${title}: ${engine.name} (skipped: ${engine.missing})`, () => cases(engine));
  }
}
