import type { ArenaMemory } from '../../lib/counter/arena-memory.js';
import type { CounterEngine } from '../../lib/counter/engine.js';
import { Descriptor } from '../../lib/counter/layout.js';
import { destroyedError } from '../../lib/errors.js';
import { requireTestAddon, type TestAddon } from './test-addon.js';

/** The C++ engine, one Node-API call per operation. */
class NativeEngine implements CounterEngine {
  readonly name = 'native';
  readonly #memory: ArenaMemory;
  readonly #addon: TestAddon;

  constructor(memory: ArenaMemory) {
    this.#memory = memory;
    this.#addon = requireTestAddon();
  }

  add = (descriptor: number, generation: number, cpu: number, delta: number): number =>
    this.#addon.counterAdd(this.#memory.words, descriptor, generation, cpu, delta);

  addOn(descriptor: number, generation: number, cpu: number, delta: number): void {
    if (this.add(descriptor, generation, cpu, delta) !== 0) throw destroyedError();
  }

  approximateSum(descriptor: number, generation: number): number {
    this.#requireAlive(descriptor, generation);
    return Number(this.approximateSumBigInt(descriptor));
  }

  preciseSum(descriptor: number, generation: number): number {
    this.#requireAlive(descriptor, generation);
    return Number(this.preciseSumBigInt(descriptor));
  }

  approximateSumBigInt(descriptor: number): bigint {
    return this.#addon.counterSum(this.#memory.words, descriptor, 0);
  }

  preciseSumBigInt(descriptor: number): bigint {
    return this.#addon.counterSum(this.#memory.words, descriptor, 1);
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

  #requireAlive(descriptor: number, generation: number): void {
    const found = Atomics.load(this.#memory.words, descriptor / 4 + Descriptor.GENERATION);
    if (found !== generation) throw destroyedError();
  }
}

/** An `EngineFactory` for `arenaWithEngine`, where the test addon is there. */
export function nativeEngine(memory: ArenaMemory): CounterEngine {
  return new NativeEngine(memory);
}
