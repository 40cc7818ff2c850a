import { isSharedArrayBuffer } from 'node:util/types';
import { PercpuError } from '../errors.js';
import type { EngineName } from './engine.js';
import { LEAF_OFFSETS, WASM_PAGE } from './layout.js';

/** The part of `WebAssembly.Memory` that is used: its own type is in the DOM's declarations, which a consumer may not have. */
export interface GrowableMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

/** An arena's memory as `postMessage` carries it to other threads. */
export type ShareableMemory = GrowableMemory | SharedArrayBuffer;

/**
 * The shared memory of an arena as one thread sees it. It only grows, in place. A view made before a growth stays valid and
 * keeps its old end.
 */
export class ArenaMemory {
  readonly shareable: ShareableMemory;
  #words: Int32Array;
  #longs: BigInt64Array;

  /**
   * Makes a memory that can grow up to `maxBytes`: a `WebAssembly.Memory` for the engine `'wasm'`, else a
   * `SharedArrayBuffer`.
   *
   * @throws PercpuError `ENOMEM` when the process has no such range of addresses left.
   */
  static create(maxBytes: number, engine: EngineName): ArenaMemory {
    try {
      return new ArenaMemory(makeMemory(maxBytes, engine));
    } catch (cause) {
      const needs =
        engine === 'wasm'
          ? "; V8 reserves more than 8 GiB of them for a WebAssembly memory, whatever its size (ulimit -v): the engine 'ts' does without"
          : '';
      throw new PercpuError('ENOMEM', `ENOMEM: no ${maxBytes} bytes of addresses for an arena, mmap${needs}`, {
        cause,
        details: { syscall: 'mmap' },
      });
    }
  }

  constructor(shareable: ShareableMemory) {
    this.shareable = shareable;
    const buffer = currentBuffer(shareable);
    this.#words = new Int32Array(buffer, 0, buffer.byteLength / 4);
    this.#longs = new BigInt64Array(buffer, 0, buffer.byteLength / 8);
  }

  /** The memory as 32-bit words, up to the size this thread has seen. */
  get words(): Int32Array {
    return this.#words;
  }

  /** The memory as 64-bit words, up to the size this thread has seen. */
  get longs(): BigInt64Array {
    return this.#longs;
  }

  /**
   * Makes the memory usable up to `bytes` for this thread, and grows it if no other thread has.
   *
   * @throws PercpuError `ERR_ARENA_FULL` when the system has no more memory.
   */
  ensure(bytes: number): void {
    if (this.#words.byteLength >= bytes) return;
    let buffer = currentBuffer(this.shareable);
    if (buffer.byteLength < bytes) {
      try {
        growTo(this.shareable, bytes, buffer.byteLength);
      } catch (cause) {
        // Another thread may have grown it after `buffer` was read, so that this growth exceeded the maximum.
        if (currentBuffer(this.shareable).byteLength < bytes) {
          throw new PercpuError('ERR_ARENA_FULL', `The arena's memory cannot grow to ${bytes} bytes`, { cause });
        }
      }
      buffer = currentBuffer(this.shareable);
    }
    this.#words = new Int32Array(buffer, 0, buffer.byteLength / 4);
    this.#longs = new BigInt64Array(buffer, 0, buffer.byteLength / 8);
  }
}

/**
 * Uses WebAssembly's own accessor: an object may have a property of the same name.
 *
 * @throws TypeError for anything but a `WebAssembly.Memory`.
 */
function bufferOf(memory: GrowableMemory): ArrayBufferLike {
  return Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer')!.get!.call(memory);
}

function growPages(memory: GrowableMemory, pages: number): void {
  WebAssembly.Memory.prototype.grow.call(memory, pages);
}

/** Whether a value is shared memory that may hold an arena. */
export function isShareable(memory: unknown): memory is ShareableMemory {
  if (isSharedArrayBuffer(memory)) return memory.byteLength >= LEAF_OFFSETS;
  if (typeof WebAssembly === 'undefined') return false;
  try {
    return isSharedArrayBuffer(bufferOf(memory as GrowableMemory));
  } catch {
    return false;
  }
}

function makeMemory(maxBytes: number, engine: EngineName): ShareableMemory {
  const canGrow = 'grow' in SharedArrayBuffer.prototype;
  if (typeof WebAssembly === 'undefined' || (engine === 'ts' && canGrow))
    return new SharedArrayBuffer(WASM_PAGE, { maxByteLength: maxBytes });
  return new WebAssembly.Memory({ initial: 1, maximum: Math.ceil(maxBytes / WASM_PAGE), shared: true });
}

function currentBuffer(memory: ShareableMemory): SharedArrayBuffer {
  if (isSharedArrayBuffer(memory)) return memory;
  // Growing by 0 makes this thread's instances and `buffer` notice another thread's growth.
  growPages(memory, 0);
  return bufferOf(memory) as SharedArrayBuffer;
}

function growTo(memory: ShareableMemory, bytes: number, from: number): void {
  const rounded = Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;
  if (isSharedArrayBuffer(memory)) memory.grow(rounded);
  else growPages(memory, (rounded - from) / WASM_PAGE);
}
