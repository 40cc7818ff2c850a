import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { native } from '../../lib/native/native.js';

/** A structure of C++, as the compiler has laid it out. */
export interface NativeStruct {
  bytes: number;
  fields: { name: string; offset: number; bytes: number }[];
}

export interface NativeSchema {
  ProcessRow: NativeStruct;
  DriftObservations: NativeStruct;
  RunRow: NativeStruct;
  ArenaHeader: NativeStruct;
  Descriptor: NativeStruct;
  constants: Record<string, number>;
  /** Names of the files of a process, in the order of their numbers. */
  files: string[];
}

/** What test/native/addon/ exports. The product's addon has none of it. */
export interface TestAddon {
  readonly schema: NativeSchema;
  /** The C++ engine, one operation a call. `counterAdd` returns 1 if the counter is not of that generation any more. */
  counterAdd(words: Int32Array, descriptor: number, generation: number, cpu: number, delta: number): number;
  counterSum(words: Int32Array, descriptor: number, precise: 0 | 1): bigint;
  counterLeaf(words: Int32Array, descriptor: number, cpu: number): bigint;
  counterSet(words: Int32Array, descriptor: number, value: number): void;
  counterClear(words: Int32Array, descriptor: number): void;
}

const file =
  process.env.PERCPU_TEST_ADDON ?? fileURLToPath(new URL('../../build-test/percpu_test.node', import.meta.url));

/** Why what needs the test addon cannot run here; '' where it can. */
export const noTestAddon = !native.addon
  ? native.reason
  : existsSync(file)
    ? ''
    : `${file} is not built: npm run build makes it where there is a C++ compiler`;

/** Loads the addon that was built for tests. */
export function requireTestAddon(): TestAddon {
  return createRequire(import.meta.url)(file) as TestAddon;
}
