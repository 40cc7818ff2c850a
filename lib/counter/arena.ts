import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { isSharedArrayBuffer } from 'node:util/types';
import { type CpuSource, threadCpu } from '../cpu/thread-cpu.js';
import { topology } from '../cpu/topology.js';
import { invalidArgType, outOfRange, PercpuError } from '../errors.js';
import { requireInteger, requireOneOf, requireOptions } from '../validate.js';
import { readLayout, requireArena, writeLayout } from './arena-header.js';
import { ArenaMemory, isShareable, type ShareableMemory } from './arena-memory.js';
import type { EngineFactory, EngineName } from './engine.js';
import { tsEngine } from './engine-ts.js';
import { wasmEngine } from './engine-wasm.js';
import { type ArenaInternals, arenaInternals, ExistingState, openArenas } from './internals.js';
import { type ArenaLayout, arenaLayout, LAYOUT_VERSION, layoutWith, MAX_ARENA_BYTES } from './layout.js';
import { leafPlacement, placeLeaves } from './numa-leaves.js';
import { elapsed, monotonicMs, SlotAllocator } from './slots.js';
import { ownIdentity } from './thread-identity.js';
import { MAX_CPUS, type TreeShape } from './tree-shape.js';

export interface CounterArenaOptions {
  /** Number of CPUs, 1 … 2^20. Default: the CPUs this machine can have. */
  cpus?: number;
  /** Most counters that live at a time. Default: as many as 4 GiB of addresses hold; memory is allocated as needed. */
  capacity?: number;
  /**
   * Default `'auto'`: `'wasm'` if the platform has WebAssembly and the process has the addresses that V8 reserves for a
   * memory, else `'ts'`. On `'ts'` a worker that is terminated within an add leaves sums exact and bounds off
   * (`CounterTree.bounds`).
   */
  engine?: 'auto' | EngineName;
}

/** An arena as a value that `postMessage` and `workerData` carry to other threads of the process. */
export interface SharedArena {
  readonly type: 'percpu.SharedArena';
  readonly version: number;
  /** The process that has the memory. */
  readonly processId: number;
  readonly arenaId: number;
  readonly engine: EngineName;
  readonly memory: ShareableMemory;
}

const FACTORIES: Record<EngineName, EngineFactory> = { wasm: wasmEngine, ts: tsEngine };

/** The arenas of this thread by id: every handle to one memory leads to one object. */
const arenas = new Map<number, WeakRef<CounterArena>>();
const forget = new FinalizationRegistry<number>((arenaId) => {
  if (!arenas.get(arenaId)?.deref()) arenas.delete(arenaId);
});

/** The limit of `crypto.randomInt`; random ids of this size are not expected to collide within a process. */
const MAX_ARENA_ID = 2 ** 48 - 1;

export const MAX_COUNTERS_AT_ONCE = 2 ** 20;

/** How long `ready` waits where claims of other threads are all that it waits for: far longer than any claim lasts. */
const RIVALS_STUCK_MS = 5_000;

/** How `createMany` splits a number of counters into runs of adjacent slots. */
export function runsOf(count: number, { slotsPerChunk }: ArenaLayout): number[] {
  const whole = Math.floor(count / slotsPerChunk);
  const runs = Array.from({ length: whole }, () => slotsPerChunk);
  return count % slotsPerChunk === 0 ? runs : [...runs, count % slotsPerChunk];
}

// For systems on which other threads cannot see this one end. A terminated thread frees nothing there.
let freesOnExit = false;
function freeOnExit(): void {
  if (freesOnExit || ownIdentity() > 0n) return;
  freesOnExit = true;
  process.on('exit', () => {
    for (const arena of arenas.values()) {
      const known = arena.deref();
      if (known) arenaInternals(known).slots.leave();
    }
  });
}

/** An arena's memory with the layout written to it, before the arena object exists. */
interface PreparedArena {
  readonly memory: ArenaMemory;
  readonly layout: ArenaLayout;
  readonly arenaId: number;
  readonly engineName: EngineName;
  readonly factory: EngineFactory;
}

const existing = new ExistingState<PreparedArena>();

/**
 * A shared memory that holds counters. Each CPU's leaves of many counters lie side by side; the items above them have cache
 * lines of their own. All threads of the process can use it at the same time.
 *
 * A counter keeps its memory until it is destroyed. When its thread ends first (by return, exit, error or termination), the
 * counter is destroyed with it. `share()` makes a counter outlive its thread. Garbage collection destroys no counter.
 *
 * On Linux, /proc tells which threads have ended. Without a readable /proc, a worker frees its counters at its `exit` event,
 * and a terminated worker frees none. The same holds for threads beyond the first 1,024 that have counters in one arena at a
 * time. Room that a thread was claiming for new counters when it was terminated is not freed either.
 */
export class CounterArena {
  static #default: CounterArena | undefined;
  readonly #internals: ArenaInternals;
  readonly #arenaId: number;
  readonly #engineName: EngineName;

  static {
    openArenas((arena) => arena.#internals);
  }

  /**
   * This thread's own arena, shaped for this machine and made on first use. Each worker has another one: to count together,
   * pass an arena or a counter with `share()`.
   */
  static get default(): CounterArena {
    CounterArena.#default ??= new CounterArena();
    return CounterArena.#default;
  }

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE` for CPUs outside 1 … 2^20, or a capacity that
   *   needs more than 4 GiB; PercpuError `ENOMEM` if the process has too few addresses left (`ulimit -v`).
   */
  constructor(options?: CounterArenaOptions) {
    const { memory, layout, arenaId, engineName, factory } = existing.take() ?? prepareArena(options);
    const engine = factory(memory, layout);
    const slots = new SlotAllocator(memory, layout, engine, (chunk) => placeLeaves(memory, layout, chunk));
    this.#internals = { memory, layout, engine, slots };
    this.#arenaId = arenaId;
    this.#engineName = engineName;
    arenas.set(arenaId, new WeakRef(this));
    freeOnExit();
    forget.register(this, arenaId);
  }

  /** The tree above the leaves of every counter in this arena. */
  get shape(): TreeShape {
    const { shape } = this.#internals.layout;
    return { ...shape, arityOrders: [...shape.arityOrders] };
  }

  /** The engine that does the arithmetic. */
  get engine(): EngineName {
    return this.#engineName;
  }

  /** How the calling thread learns its CPU; the same for all its arenas. */
  get cpuSource(): CpuSource {
    return threadCpu.source;
  }

  /** Bytes of one counter: leaves, items and descriptor, with padding. */
  get bytesPerCounter(): number {
    return this.#internals.layout.bytesPerCounter;
  }

  /**
   * Live counters of all threads. Reading it also frees the unshared counters of threads that have ended. O(counters that
   * memory is allocated for).
   */
  get size(): number {
    return this.#internals.slots.live;
  }

  /**
   * Waits, without blocking the thread, until there is room for `createMany(count)`. It reserves nothing: another thread
   * can take the room first.
   *
   * It waits until quarantines end, at most a second each, and until native runs end. Claims of other threads take less than
   * that; where they are all that is in the way for 5 seconds, a thread was terminated in the middle of one, and cannot be
   * told to have ended.
   *
   * @param count 1 … 2^20, default 1.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; PercpuError `ERR_ARENA_FULL`, without
   *   `retryAfterMs`, where waiting does not help: live counters leave no such room, or claims that do not end.
   */
  async ready(count = 1): Promise<void> {
    requireInteger(count, 'count', { min: 1, max: MAX_COUNTERS_AT_ONCE });
    const { slots, layout } = this.#internals;
    slots.requireCapacity(count);
    const runs = runsOf(count, layout);
    let stuckSince: number | undefined;
    for (;;) {
      try {
        slots.requireRoom(runs);
        return;
      } catch (error) {
        const { retryAfterMs } = error as PercpuError;
        if (retryAfterMs === undefined) throw error;
        stuckSince = slots.waitsForRivalsAlone ? (stuckSince ?? monotonicMs()) : undefined;
        if (stuckSince !== undefined && elapsed(stuckSince) >= RIVALS_STUCK_MS) throw stuckClaims(count, error);
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
      }
    }
  }

  /** @returns a handle for `postMessage` or `workerData`; any thread of this process can attach it. */
  share(): SharedArena {
    return {
      type: 'percpu.SharedArena',
      version: LAYOUT_VERSION,
      processId: process.pid,
      arenaId: this.#arenaId,
      engine: this.#engineName,
      memory: this.#internals.memory.shareable,
    };
  }

  /**
   * Opens an arena of another thread. Attaching the same arena again returns the same object.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE` if `shared` is not a handle; RangeError `ERR_OUT_OF_RANGE` for a handle of
   *   another process or another version of this package's memory layout, or if the memory holds no arena or a damaged one.
   */
  static attach(shared: SharedArena): CounterArena {
    requireHandle(shared, 'shared', 'percpu.SharedArena', 'a handle that CounterArena.share() returned');
    const { arenaId, memory } = shared;
    if (!isShareable(memory)) {
      throw invalidArgType('shared.memory', 'a shared WebAssembly.Memory or a SharedArrayBuffer', memory);
    }
    requireInteger(arenaId, 'shared.arenaId', { min: 1, max: MAX_ARENA_ID });
    const engineName = requireOneOf(shared.engine, 'shared.engine', ['wasm', 'ts']);
    if (engineName === 'wasm' && isSharedArrayBuffer(memory)) {
      throw invalidArgType('shared.memory', "a WebAssembly.Memory for the engine 'wasm'", memory);
    }
    const arenaMemory = new ArenaMemory(memory);
    requireArena(arenaMemory, arenaId);
    const known = arenas.get(arenaId)?.deref();
    if (known) return known;
    const layout = readLayout(arenaMemory);
    const prepared = { memory: arenaMemory, layout, arenaId, engineName, factory: FACTORIES[engineName] };
    return existing.construct(prepared, () => new CounterArena());
  }
}

function stuckClaims(count: number, cause: unknown): PercpuError {
  return new PercpuError(
    'ERR_ARENA_FULL',
    `The arena has no room for ${count === 1 ? 'another counter' : `${count} counters`}: other threads have been claiming ` +
      `it for ${RIVALS_STUCK_MS / 1_000} s, or were terminated meanwhile`,
    { cause },
  );
}

/** Makes an arena with another engine: how tests reach the C++ one. */
export function arenaWithEngine(options: CounterArenaOptions, factory: EngineFactory): CounterArena {
  return existing.construct({ ...prepareArena(options), factory }, () => new CounterArena());
}

/**
 * Checks the fields that all handles have.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 */
export function requireHandle(
  shared: { type: string; version: number; processId: number },
  argument: string,
  type: string,
  allowed: string,
): void {
  if (typeof shared !== 'object' || shared === null || shared.type !== type) {
    throw invalidArgType(argument, allowed, shared);
  }
  if (shared.version !== LAYOUT_VERSION) {
    throw outOfRange(`${argument}.version`, `${LAYOUT_VERSION}, the version of this package's layout`, shared.version);
  }
  if (shared.processId !== process.pid) {
    throw outOfRange(`${argument}.processId`, `${process.pid}: memory is shared within one process`, shared.processId);
  }
}

/** Leaves are numbered by CPU, so the largest possible CPU number counts. */
function machineCpus(): number {
  const { possible } = topology();
  const largest = possible.at(-1) ?? availableParallelism() - 1;
  return Math.min(largest + 1, MAX_CPUS);
}

/**
 * Makes the memory for the first of these engines that the process has addresses for. If no capacity was asked for, the
 * engine `'ts'` halves it until the addresses suffice.
 *
 * @throws PercpuError `ENOMEM`.
 */
function reserve(
  engineNames: readonly EngineName[],
  wanted: ArenaLayout,
  isCapacityGiven: boolean,
): { memory: ArenaMemory; layout: ArenaLayout; engineName: EngineName } {
  let refused: unknown;
  for (const engineName of engineNames) {
    let layout = wanted;
    for (;;) {
      try {
        return { memory: ArenaMemory.create(layout.maxBytes, engineName), layout, engineName };
      } catch (error) {
        refused = error;
        if (engineName === 'wasm' || isCapacityGiven || layout.maxChunks === 1) break;
        const { shape, slotsPerChunk, maxChunks, leafOffsets } = layout;
        layout = layoutWith(shape, Math.floor(maxChunks / 2) * slotsPerChunk, slotsPerChunk, leafOffsets);
      }
    }
  }
  throw refused;
}

function prepareArena(options: CounterArenaOptions | undefined): PreparedArena {
  const { cpus, capacity, engine = 'auto' } = requireOptions(options, ['cpus', 'capacity', 'engine']);
  const requested = requireOneOf(engine, 'options.engine', ['auto', 'wasm', 'ts']);
  if (cpus !== undefined) requireInteger(cpus, 'options.cpus', { min: 1, max: MAX_CPUS });
  if (capacity !== undefined) requireInteger(capacity, 'options.capacity', { min: 1, max: MAX_ARENA_BYTES });
  const hasWebAssembly = typeof WebAssembly !== 'undefined';
  if (requested === 'wasm' && !hasWebAssembly) {
    throw outOfRange('options.engine', "'auto' or 'ts' where the platform has no WebAssembly", requested);
  }
  const wanted = arenaLayout(cpus ?? machineCpus(), capacity, leafPlacement());
  const engineNames: EngineName[] = requested !== 'auto' ? [requested] : hasWebAssembly ? ['wasm', 'ts'] : ['ts'];
  const { memory, layout, engineName } = reserve(engineNames, wanted, capacity !== undefined);
  const arenaId = randomInt(1, MAX_ARENA_ID);
  writeLayout(memory, layout, arenaId);
  return { memory, layout, arenaId, engineName, factory: FACTORIES[engineName] };
}
