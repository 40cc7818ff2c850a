// What the simulated process does. A workload calls `add(thread, cpu, pages)` for every change of its anonymous pages: one
// page per page fault, as many as a page table holds per step of an munmap.
import { treeShape } from '../../dist/index.js';

const PAGES_PER_PAGE_TABLE = 512;

/** A mapping's pages appear one fault at a time. */
function touch(add, thread, cpu, pages) {
  for (let page = 0; page < pages; page++) add(thread, cpu, 1);
}

/** An munmap takes the pages away page table by page table. */
function unmap(add, thread, cpu, pages) {
  for (let left = pages; left > 0; left -= PAGES_PER_PAGE_TABLE) {
    add(thread, cpu, -Math.min(left, PAGES_PER_PAGE_TABLE));
  }
}

/**
 * A service of a few threads whose load comes and goes: its memory swings between 1 and 16 MiB per CPU of the machine.
 * Mappings have 1 … 4,096 pages, every order of magnitude alike; the scheduler moves a thread to another CPU after
 * 1 … 256 faults, and between any two calls of mmap and munmap.
 */
export function hoppingService(add, { cpus, threads, random }) {
  const mappings = [];
  let pages = 0;
  const mapOne = () => {
    const size = random.logUniform(1, 4096);
    const thread = random.below(threads);
    for (let left = size; left > 0; ) {
      const faults = Math.min(left, 1 + random.below(256));
      touch(add, thread, random.below(cpus), faults);
      left -= faults;
    }
    mappings.push(size);
    pages += size;
  };
  const unmapOne = () => {
    const which = random.below(mappings.length);
    const size = mappings[which];
    mappings[which] = mappings.at(-1);
    mappings.pop();
    unmap(add, random.below(threads), random.below(cpus), size);
    pages -= size;
  };
  for (let swing = 0; swing < 3; swing++) {
    while (pages < cpus * 4096) random.below(4) > 0 ? mapOne() : mappings.length > 0 && unmapOne();
    while (pages > cpus * 256) random.below(4) > 0 ? unmapOne() : mapOne();
  }
}

/** What hurts the flat counter most: on every CPU in turn, one page less than makes it notice. Then all of it again, away. */
export function justUnderFlatBatch(add, { cpus, threads, random }) {
  const pages = Math.max(32, 2 * cpus) - 1;
  const order = random.shuffled(Array.from({ length: cpus }, (_, cpu) => cpu));
  for (const [visit, cpu] of order.entries()) touch(add, visit % threads, cpu, pages);
  for (const [visit, cpu] of order.entries()) unmap(add, visit % threads, cpu, pages);
}

/**
 * What hurts the tree most: leaves every leaf and every item below the root with the largest remainder it can keep. An
 * item that receives steps of `from` and passes on steps of `to` keeps up to `to - from`; that much arrives in one piece
 * there, since each level below passes on whole multiples of its own step.
 */
export function fullTree(add, { cpus, batch }) {
  const { order, arityOrders } = treeShape(cpus);
  const levels = [];
  let below = 0;
  for (const arityOrder of arityOrders.slice(0, -1)) {
    const from = batch * 2 ** below;
    below += arityOrder;
    levels.push({ items: 2 ** (order - below), keeps: batch * 2 ** below - from });
  }
  for (const { items, keeps } of levels.toReversed()) {
    for (let item = 0; item < items; item++) add(0, item, keeps);
  }
  for (let cpu = 0; cpu < cpus; cpu++) add(0, cpu, batch - 1);
}

export const workloads = { hoppingService, justUnderFlatBatch, fullTree };
