#!/usr/bin/env node
// capture-topology.mjs [OUTFILE]
// Writes the files of this machine that describe its CPUs, NUMA nodes and caches, and the CPUs it may run on itself, to
// OUTFILE (standard output without one). Format, read by test/support/sys-tree.ts: lines that start with # are
// comments; every other line is a path below the root, a tab, and the file's content as a JSON string. Files of several
// CPUs with the same content share a line: sys/devices/system/cpu/cpu[0-3,8]/topology/core_id.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';

const CPU_DIR = '/sys/devices/system/cpu';
const NODE_DIR = '/sys/devices/system/node';

/** @type {Map<string, number[]>} CPU numbers by "path TAB content", the path with `*` for the CPU number */
const cpusByLine = new Map();

function numbered(directory, prefix) {
  if (!existsSync(directory)) return [];
  const numbers = readdirSync(directory).map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : ''));
  return numbers
    .filter((number) => /^\d+$/.test(number))
    .map(Number)
    .sort((a, b) => a - b);
}

function line(path, content) {
  return `${path.slice(1)}\t${JSON.stringify(content)}`;
}

function capture(path, cpu) {
  let content;
  try {
    content = readFileSync(path.replace('*', cpu), 'utf8');
  } catch {
    return;
  }
  const key = line(path, content);
  cpusByLine.set(key, [...(cpusByLine.get(key) ?? []), cpu]);
}

function formatList(numbers) {
  const ranges = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(',');
}

for (const name of ['possible', 'present', 'online']) capture(`${CPU_DIR}/${name}`);
capture(`${NODE_DIR}/online`);
for (const node of numbered(NODE_DIR, 'node')) capture(`${NODE_DIR}/node${node}/cpulist`);
for (const cpu of numbered(CPU_DIR, 'cpu')) {
  const directory = `${CPU_DIR}/cpu*`;
  for (const name of ['core_id', 'physical_package_id']) capture(`${directory}/topology/${name}`, cpu);
  for (const index of numbered(`${CPU_DIR}/cpu${cpu}/cache`, 'index')) {
    for (const name of ['level', 'type', 'shared_cpu_list']) capture(`${directory}/cache/index${index}/${name}`, cpu);
  }
}

const lines = [...cpusByLine].map(([text, cpus]) =>
  cpus[0] === undefined ? text : text.replace('cpu*', `cpu[${formatList(cpus)}]`),
);
const allowed = /^Cpus_allowed_list:.*\n/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[0];
if (allowed) lines.push(line('/proc/self/status', allowed));
const kernel = release().match(/^\d+\.\d+/)?.[0] ?? release();
const text = `# captured by scripts/capture-topology.mjs, Linux ${kernel} ${process.arch}\n${lines.join('\n')}\n`;
if (process.argv[2]) writeFileSync(process.argv[2], text);
else process.stdout.write(text);
