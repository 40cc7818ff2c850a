import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  CACHE_LINE,
  DESCRIPTOR_BYTES,
  Descriptor,
  Header,
  LAYOUT_VERSION,
  LEAF_OFFSETS,
  MAGIC,
  MIN_LEAF_OFFSETS,
} from '../../lib/counter/layout.js';
import { RUN_FIELDS } from '../../lib/counter/run-on-cpus.js';
import { MAX_CPUS, treeShape } from '../../lib/counter/tree-shape.js';
import { DRIFT_FIELDS } from '../../lib/proc/accounting/observations.js';
import { KEPT_FILES } from '../../lib/proc/files/kept-files.js';
import { ROW_BYTES } from '../../lib/proc/files/native-row.js';
import { FILES, ROW_FIELDS, ROW_NAME_BYTES, Want } from '../../lib/proc/files/process-row.js';
import { ERRNOS } from '../../lib/proc/files/reader-native.js';
import { describeUnless } from '../support/skip.js';
import { type NativeStruct, noTestAddon, requireTestAddon } from '../support/test-addon.js';

/** A name as C++ has it: `fileKiB` is `file_kib`. */
function snakeCase(name: string): string {
  return name.replace('KiB', 'Kib').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The structure that the named fields make, all of the same size and without a gap. */
function structOf(names: readonly string[], bytesEach: number): NativeStruct {
  return {
    bytes: names.length * bytesEach,
    fields: names.map((name, index) => ({ name: snakeCase(name), offset: index * bytesEach, bytes: bytesEach })),
  };
}

/** Names of word indices in the order of the words, up to so many words. */
function wordNames(indices: Record<string, number>, words: number): string[] {
  const names = Object.entries(indices).filter(([, index]) => index < words);
  return names.sort(([, a], [, b]) => a - b).map(([name]) => name.toLowerCase());
}

describeUnless(noTestAddon)('C++ and TypeScript have the same', () => {
  // Where the addon is missing nothing below runs.
  const schema = noTestAddon ? undefined! : requireTestAddon().schema;

  it('row of a process', () => {
    const { bytes, fields } = structOf(ROW_FIELDS, 8);
    const name = { name: 'name', offset: bytes, bytes: ROW_NAME_BYTES };
    expect(schema.ProcessRow).toEqual({ bytes: ROW_BYTES, fields: [...fields, name] });
  });

  it('observations of the accounting probe', () => {
    expect(schema.DriftObservations).toEqual(structOf(DRIFT_FIELDS, 8));
  });

  it('row of a thread of a run', () => {
    expect(schema.RunRow).toEqual(structOf(RUN_FIELDS, 8));
  });

  it('words of an arena that C++ reads', () => {
    const { ArenaHeader, Descriptor: NativeDescriptor } = schema;
    expect(ArenaHeader).toEqual(structOf(wordNames(Header, ArenaHeader.bytes / 4), 4));
    expect(ArenaHeader.bytes).toBe(4 * Header.SLOTS_PER_CHUNK);
    expect(NativeDescriptor).toEqual(structOf(wordNames(Descriptor, Number.POSITIVE_INFINITY), 4));
    expect(NativeDescriptor.bytes).toBe(DESCRIPTOR_BYTES);
  });

  it('constants', () => {
    expect(schema.constants).toEqual({
      ...{ MAGIC, LAYOUT_VERSION, LEAF_OFFSETS, CACHE_LINE, DESCRIPTOR_BYTES, MAX_CPUS },
      MAX_LEVELS: treeShape(MAX_CPUS).levels,
      ...{ KEPT_FILES, ERRNOS },
      ...Object.fromEntries(Object.entries(Want).map(([name, bit]) => [`WANT_${name}`, bit])),
    });
  });

  it('numbers of the files of a process', () => {
    expect(schema.files).toEqual([...FILES]);
  });
});

// AssemblyScript cannot import layout.ts, and its constants do not outlive compilation: the source is compared.
it('WebAssembly and TypeScript have the same places and constants', () => {
  const source = readFileSync(new URL('../../lib/counter/wasm/hot-path.ts', import.meta.url), 'utf8');
  const constants = source.matchAll(/^@inline const (\w+): \w+ = (\d+);$/gm);
  expect(Object.fromEntries([...constants].map(([, name, value]) => [name, Number(value)]))).toEqual({
    GENERATION: 4 * Descriptor.GENERATION,
    BATCH: 4 * Descriptor.BATCH,
    LEAF: 4 * Descriptor.LEAF,
    ITEMS: 4 * Descriptor.ITEMS,
    ROOT: 4 * Descriptor.ROOT,
    BIAS_OF_ROOT: 8,
    LEAF_OFFSETS,
    HOT_CPU_MASK: MIN_LEAF_OFFSETS - 1,
    LOG2_CACHE_LINE: Math.log2(CACHE_LINE),
  });
  expect(source.match(/@inline const/g)).toHaveLength(9);
});
