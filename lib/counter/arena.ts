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
  /** CPUs the arena has leaves for, 1 … 2^20. Default: the CPUs this machine can have. */
  cpus?: number;
  /** Most counters that live at a time. Default: as many as 4 GiB of address space hold; memory is taken as needed. */
  capacity?: number;
  /**
   * `'auto'`, the default: `'wasm'` where the platform has WebAssembly and the process the addresses that V8 reserves for its
   * memory, else `'ts'`. On `'ts'` bounds do not survive a worker that is terminated in the middle of an add
   * (`CounterTree.bounds`); sums do.
   */
  engine?: 'auto' | EngineName;
}

/** An arena as a value that `postMessage` and `workerData` carry to other threads of the process. */
export interface SharedArena {
  readonly type: 'percpu.SharedArena';
  readonly version: number;
  /** The process whose memory it is. */
  readonly processId: number;
  readonly arenaId: number;
  readonly engine: EngineName;
  readonly memory: ShareableMemory;
}

const FACTORIES: Record<EngineName, EngineFactory> = { wasm: wasmEngine, ts: tsEngine };

/** Arenas this thread has attached or made, so that every handle to one memory leads to one object. */
const arenas = new Map<number, WeakRef<CounterArena>>();
const forget = new FinalizationRegistry<number>((arenaId) => {
  if (!arenas.get(arenaId)?.deref()) arenas.delete(arenaId);
});

/** `crypto.randomInt` reaches this far; no two arenas of a process are expected to meet in it. */
const MAX_ARENA_ID = 2 ** 48 - 1;

/** Most counters that one call makes. */
export const MAX_COUNTERS_AT_ONCE = 2 ** 20;

/** How long `ready` waits where claims of other threads are all that it waits for: far longer than any claim lasts. */
const RIVALS_STUCK_MS = 5_000;

/** How `createMany` splits a number of counters: those of a chunk lie next to each other. */
export function runsOf(count: number, { slotsPerChunk }: ArenaLayout): number[] {
  const whole = Math.floor(count / slotsPerChunk);
  const runs = Array.from({ length: whole }, () => slotsPerChunk);
  return count % slotsPerChunk === 0 ? runs : [...runs, count % slotsPerChunk];
}

// Where other threads cannot see that this one ends, it says so itself; a thread that is terminated then keeps what it had.
let toldOfEnd = false;
function tellOfEnd(): void {
  if (toldOfEnd || ownIdentity() > 0n) return;
  toldOfEnd = true;
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
 * One shared memory that holds counters, laid out per CPU: each CPU's leaves of many counters side by side, the items
 * above them on cache lines of their own. Every thread of the process can use it at the same time.
 *
 * A counter keeps its memory until it is destroyed. Where the thread that made it ends first (terminated, exited, thrown
 * or returned), the counter ends with it, unless it was shared: `share()` makes it outlive its maker. A counter that is
 * merely forgotten is not given back before that: garbage collection destroys nothing.
 *
 * Linux tells which threads have ended. Where /proc cannot be read, on other systems or without the permission, a worker
 * gives its counters back at its `exit` event, and one that is terminated does not. The same holds for the threads beyond
 * the first 1,024 that have counters in one arena at a time. Room that such a thread was claiming for new counters when it was
 * terminated is not given back either.
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
   * This thread's own arena, shaped for this machine; made on first use. A worker has one of its own: to count together,
   * hand an arena or a counter over with `share()`.
   */
  static get default(): CounterArena {
    CounterArena.#default ??= new CounterArena();
    return CounterArena.#default;
  }

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE` for CPUs outside 1 … 2^20 or a capacity
   *   that 4 GiB do not hold; PercpuError `ENOMEM` where the process has not enough addresses left (`ulimit -v`).
   */
  constructor(options?: CounterArenaOptions) {
    const { memory, layout, arenaId, engineName, factory } = existing.take() ?? prepareArena(options);
    const engine = factory(memory, layout);
    const slots = new SlotAllocator(memory, layout, engine, (chunk) => placeLeaves(memory, layout, chunk));
    this.#internals = { memory, layout, engine, slots };
    this.#arenaId = arenaId;
    this.#engineName = engineName;
    arenas.set(arenaId, new WeakRef(this));
    tellOfEnd();
    forget.register(this, arenaId);
  }

  /** The tree above the leaves of every counter in this arena. */
  get shape(): TreeShape {
    const { shape } = this.#internals.layout;
    return { ...shape, arityOrders: [...shape.arityOrders] };
  }

  /** What does the arithmetic. */
  get engine(): EngineName {
    return this.#engineName;
  }

  /** How the calling thread learns its CPU: the same for all arenas of a thread. */
  get cpuSource(): CpuSource {
    return threadCpu.source;
  }

  /** Bytes one counter takes: leaves, items, and its descriptor, padding included. */
  get bytesPerCounter(): number {
    return this.#internals.layout.bytesPerCounter;
  }

  /**
   * Live counters, of all threads. Those that a thread made and did not share end with the thread, however it ends: reading
   * this gives their memory back. O(counters there is memory for).
   */
  get size(): number {
    return this.#internals.slots.live;
  }

  /**
   * Waits, without blocking the thread, until there is room for `createMany(count)`. Nothing is kept free for the caller:
   * another thread can take the room first.
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
   * Opens an arena of another thread. Attaching the same arena again gives the same object.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE` for what is no handle; RangeError `ERR_OUT_OF_RANGE` for a handle of another
   *   process, of another version of this package's memory layout, or of a memory that holds no arena or a damaged one.
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

/** Makes an arena whose operations run on another engine: how tests reach the C++ one. */
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

/** CPUs this machine can have: CPU numbers reach up to the largest possible one. */
function machineCpus(): number {
  const { possible } = topology();
  const largest = possible.at(-1) ?? availableParallelism() - 1;
  return Math.min(largest + 1, MAX_CPUS);
}

/**
 * Makes the memory for the first of these engines that the process has the addresses for. Where it does not have them for a
 * capacity that was not asked for, the engine `'ts'` takes as much as there is.
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
