// The results as tables for people; all figures in MiB of 4 KiB pages.
import Table from 'cli-table3';
import { mib } from '../command-line.mjs';
import { THREADS } from './replay.mjs';

const style = { head: [], border: [], compact: true };
const inMib = (pages) => mib(pages).toFixed(1);
const signed = (pages) => `${pages < 0 ? '-' : '+'}${inMib(Math.abs(pages))}`;

/** What is published for the kernel, by number of CPUs: the cover letters of the series "Improve proc RSS accuracy". */
const PUBLISHED = {
  256: ['512 MiB possible', '', ''],
  384: ['about 1 GB', '', 'about 80 MB; 192 MB guaranteed'],
};

/** One machine: every scheme's error in every workload, and its bounds. */
export function machineTable({ cpus, runs: [service, underBatch, fullTree] }) {
  const table = new Table({
    head: [
      '',
      `flat, Linux 6.2 (batch ${service.flat.batch})`,
      `per thread, before (${THREADS} threads)`,
      'counter tree',
    ],
    style,
  });
  const row = (title, figure) => table.push([title, ...['flat', 'perThread', 'tree'].map(figure)]);
  row('a service that hops: worst', (scheme) => inMib(service[scheme].worst));
  row('                     mean', (scheme) => inMib(service[scheme].mean));
  row('just under the flat batch: worst', (scheme) => inMib(underBatch[scheme].worst));
  row('                           mean', (scheme) => inMib(underBatch[scheme].mean));
  row('every remainder of the tree full', (scheme) => inMib(fullTree[scheme].worst));
  row('tight bound', (scheme) => (scheme === 'tree' ? inMib(service.tree.bound) : ''));
  row('documented bound', (scheme) => inMib(service[scheme].documentedBound ?? service[scheme].bound));
  table.push(['published', ...PUBLISHED[cpus]]);
  return table.toString();
}

/** The hopping service's error as it runs: approximate - precise. */
export function timeTable({ events, samples }, rows = 14) {
  const table = new Table({
    head: ['events, millions', 'precise RSS', 'flat', 'per thread', 'counter tree'],
    style,
    colAligns: Array(5).fill('right'),
  });
  for (let row = 1; row <= rows; row++) {
    const target = (events * row) / rows;
    const sample = samples.findLast(({ event }) => event <= target);
    if (!sample) continue;
    table.push([
      (sample.event / 1e6).toFixed(2),
      inMib(sample.pages),
      signed(sample.flat),
      signed(sample.perThread),
      signed(sample.tree),
    ]);
  }
  return table.toString();
}

/** Worst errors by number of CPUs: what the plot shows. */
export function sweepTable(points) {
  const table = new Table({
    head: ['CPUs', 'flat', 'per thread', 'counter tree', 'tight bound', 'documented bound'],
    style,
    colAligns: Array(6).fill('right'),
  });
  for (const { cpus, flat, perThread, tree, tightBound, documentedBound } of points) {
    table.push([cpus, ...[flat, perThread, tree, tightBound, documentedBound].map((pages) => mib(pages).toFixed(2))]);
  }
  return table.toString();
}
