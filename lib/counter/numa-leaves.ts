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
    // CPUs that are offline, or that this machine does not have, are on no node.
    nodeOfCpu: (cpu) => nodeByCpu.get(cpu) ?? 0,
    pageBytes: pageBytes(),
  };
}

/** @returns the placement of leaves on this machine; `undefined` on a single node or without the addon. */
export function leafPlacement(): LeafPlacement | undefined {
  if (!native.addon) return undefined;
  machine ??= readMachine();
  return machine.severalNodes ? machine : undefined;
}

/**
 * Asks the kernel to allocate the pages of each CPU's leaves on that CPU's node at first touch. Best effort: if it refuses,
 * leaves are on the node of the first writer. Source: mbind(2), MPOL_PREFERRED.
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
    // Areas of different nodes share no page; the last one may share its last page with descriptors.
    const from = Math.floor(leafOffsets[first]! / page);
    const end = cpu < shape.cpus ? Math.floor(leafOffsets[cpu]! / page) : Math.ceil(descriptorsOffset / page);
    native.addon?.placeOnNode(bytes, base + from * page, (end - from) * page, node);
    first = cpu;
  }
}
