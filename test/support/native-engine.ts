import type { ArenaMemory } from '../../lib/counter/arena-memory.js';
import type { CounterEngine } from '../../lib/counter/engine.js';
import { Descriptor } from '../../lib/counter/layout.js';
import { type NativeAddon, requireNative } from '../../lib/native.js';

/** The C++ engine, one Node-API call per operation. */
class NativeEngine implements CounterEngine {
  readonly name = 'native';
  readonly #memory: ArenaMemory;
  readonly #addon: NativeAddon;

  constructor(memory: ArenaMemory) {
    this.#memory = memory;
    this.#addon = requireNative('the native engine');
  }

  add(descriptor: number, generation: number, cpu: number, delta: number): number {
    return this.#addon.counterAdd(this.#memory.words, descriptor, generation, cpu, delta);
  }

  addWide(descriptor: number, generation: number, cpu: number, delta: number): number {
    return this.add(descriptor, generation, cpu, delta);
  }

  approximateSum(descriptor: number, generation: number): number {
    return this.#isAlive(descriptor, generation) ? Number(this.approximateSumBigInt(descriptor)) : Number.NaN;
  }

  preciseSum(descriptor: number, generation: number): number {
    return this.#isAlive(descriptor, generation) ? Number(this.preciseSumBigInt(descriptor)) : Number.NaN;
  }

  approximateSumBigInt(descriptor: number): bigint {
    return this.#addon.counterSum(this.#memory.words, descriptor, false);
  }

  preciseSumBigInt(descriptor: number): bigint {
    return this.#addon.counterSum(this.#memory.words, descriptor, true);
  }

  leaf(descriptor: number, cpu: number): bigint {
    return this.#addon.counterLeaf(this.#memory.words, descriptor, cpu);
  }

  set(descriptor: number, value: number): void {
    this.#addon.counterSet(this.#memory.words, descriptor, value);
  }

  clear(descriptor: number): void {
    this.#addon.counterClear(this.#memory.words, descriptor);
  }

  #isAlive(descriptor: number, generation: number): boolean {
    return Atomics.load(this.#memory.words, descriptor / 4 + Descriptor.GENERATION) === generation;
  }
}

/** An `EngineFactory` for `arenaWithEngine`, where the addon is loaded. */
export function nativeEngine(memory: ArenaMemory): CounterEngine {
  return new NativeEngine(memory);
}
