import { topology } from '../cpu/topology.js';
import { native } from '../native/native.js';
import { pageBytes } from '../native/page-bytes.js';
import type { ArenaMemory } from './arena-memory.js';
import type { ArenaLayout, LeafPlacement } from './layout.js';

let machine: (LeafPlacement & { severalNodes: boolean }) | undefined;

function readMachine(): LeafPlacement & { severalNodes: boolean } {
  const { nodes } = topology();
  const nodeByCpu = new Map(nodes.flatMap(({ id, cpus }) => cpus.map((cpu) => [cpu, id] as const)));
  return {
    severalNodes: nodes.filter(({ cpus }) => cpus.length > 0).length > 1,
    // CPUs that are offline, or beyond this machine, have no node: they stay with node 0.
    nodeOfCpu: (cpu) => nodeByCpu.get(cpu) ?? 0,
    pageBytes: pageBytes(),
  };
}

/** @returns how leaves are to be kept apart on this machine; `undefined` where there is one node, or no addon to ask. */
export function leafPlacement(): LeafPlacement | undefined {
  if (!native.addon) return undefined;
  machine ??= readMachine();
  return machine.severalNodes ? machine : undefined;
}

/**
 * Asks the kernel to take the pages of each CPU's leaves from that CPU's node when they are first touched. Best effort:
 * where it refuses, leaves are where the first writer runs. Source: mbind(2), MPOL_PREFERRED.
 */
export function placeLeaves(memory: ArenaMemory, layout: ArenaLayout, chunk: number): void {
  const placement = leafPlacement();
  if (!placement) return;
  const { leafOffsets, descriptorsOffset, shape } = layout;
  const base = layout.firstChunk + chunk * layout.chunkBytes;
  const bytes = new Uint8Array(memory.words.buffer);
  const page = placement.pageBytes;
  for (let first = 0, cpu = 1; cpu <= shape.cpus; cpu++) {
    const node = placement.nodeOfCpu(first);
    if (cpu < shape.cpus && placement.nodeOfCpu(cpu) === node) continue;
    // Areas of different nodes begin on pages of their own; the last one may share its last page with descriptors.
    const from = Math.floor(leafOffsets[first]! / page);
    const end = cpu < shape.cpus ? Math.floor(leafOffsets[cpu]! / page) : Math.ceil(descriptorsOffset / page);
    native.addon?.placeOnNode(bytes, base + from * page, (end - from) * page, node);
    first = cpu;
  }
}
