// What a shared library asks of others and offers them, read from the file; elf(5), and for the symbol versions the Linux
// Standard Base. Only for 64-bit little-endian libraries that lib/native/elf.ts has looked at.
import { readFileSync } from 'node:fs';

const SYMBOL_TABLE = 11;
const VERSION_INDEX = 0x6fffffff;
const VERSIONS_NEEDED = 0x6ffffffe;
const SYMBOL_BYTES = 24;
const LOCAL = 0;
const WEAK = 2;

/** Tables of the file by the type of their section, with the index of the section they belong to. */
function readSections(file) {
  const start = Number(file.readBigUInt64LE(40));
  return Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const at = start + index * file.readUInt16LE(58);
    const [offset, bytes] = [24, 32].map((field) => Number(file.readBigUInt64LE(at + field)));
    return { type: file.readUInt32LE(at + 4), offset, bytes, link: file.readUInt32LE(at + 40) };
  });
}

function textAt(file, offset) {
  return file.toString('latin1', offset, file.indexOf(0, offset));
}

/** Version names such as GLIBC_2.17 by their index. */
function readVersions(file, sections) {
  const versions = new Map();
  const table = sections.find(({ type }) => type === VERSIONS_NEEDED);
  if (!table) return versions;
  const strings = sections[table.link].offset;
  for (let library = table.offset, more = true; more; ) {
    let entry = library + file.readUInt32LE(library + 8);
    for (let left = file.readUInt16LE(library + 2); left > 0; left--) {
      versions.set(file.readUInt16LE(entry + 6), textAt(file, strings + file.readUInt32LE(entry + 8)));
      entry += file.readUInt32LE(entry + 12);
    }
    const next = file.readUInt32LE(library + 12);
    more = next !== 0;
    library += next;
  }
  return versions;
}

/**
 * @param {string} path
 * @returns {{ imports: { name: string, version?: string, weak: boolean }[], exports: string[], stripped: boolean }}
 */
export function readSymbols(path) {
  const file = readFileSync(path);
  const sections = readSections(file);
  const versions = readVersions(file, sections);
  const table = sections.find(({ type }) => type === SYMBOL_TABLE);
  const indexes = sections.find(({ type }) => type === VERSION_INDEX);
  const strings = sections[table.link].offset;
  const imports = [];
  const exports = [];
  for (let number = 1; number < table.bytes / SYMBOL_BYTES; number++) {
    const at = table.offset + number * SYMBOL_BYTES;
    const binding = file[at + 4] >> 4;
    if (binding === LOCAL) continue;
    const name = textAt(file, strings + file.readUInt32LE(at));
    const version = indexes && versions.get(file.readUInt16LE(indexes.offset + 2 * number));
    const weak = binding === WEAK;
    if (file.readUInt16LE(at + 6) === 0) imports.push({ name, weak, ...(version && { version }) });
    else exports.push(name);
  }
  // Section type 2: the symbols that only debuggers need.
  return { imports, exports, stripped: !sections.some(({ type }) => type === 2) };
}

const FLOORS = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25] };

function isAbove(version, floor) {
  if (version === 'PRIVATE') return true;
  const parts = version.split('.').map(Number);
  for (let i = 0; i < Math.max(parts.length, floor.length); i++) {
    const difference = (parts[i] ?? 0) - (floor[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** @returns what a binary asks for that a system with glibc 2.28, or any musl, need not have. */
export function symbolProblems({ imports, exports, stripped }) {
  const problems = stripped ? [] : ['not stripped'];
  for (const { name, version, weak } of imports) {
    const [, library, number] = /^([A-Z]+)_([\d.]+|PRIVATE)$/.exec(version ?? '') ?? [];
    if (library && (!FLOORS[library] || isAbove(number, FLOORS[library]))) problems.push(`${name} of ${version}`);
    // Mangled names are of C++, whose runtime nobody promised.
    if (!weak && /^(_Z|__cxa_|__gxx_)/.test(name)) problems.push(`${name} of a C++ runtime`);
  }
  for (const name of exports) {
    if (!/^(napi_register_module|node_api_module_get_api_version)_v\d+$/.test(name)) problems.push(`exports ${name}`);
  }
  return problems;
}
