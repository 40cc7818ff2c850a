// Compiles lib/counter/wasm/hot-path.ts with AssemblyScript and writes the binary as a TypeScript module, so that the
// package needs no file access of its own to find it and every bundler carries it along.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { repository } from './run.mjs';

const folder = join(repository, 'lib', 'counter', 'wasm');

const FLAGS = [
  ...'-O3 --noAssert --runtime stub --importMemory --sharedMemory --enable threads --disable bulk-memory'.split(' '),
  ...'--initialMemory 1 --maximumMemory 65536'.split(' '),
];

/** @throws Error when the source does not compile; the compiler's messages are on stderr then. */
export async function buildWasm() {
  const out = mkdtempSync(join(tmpdir(), 'percpu-wasm-'));
  try {
    const binaryFile = join(out, 'hot-path.wasm');
    const { error, stderr } = await asc.main([join(folder, 'hot-path.ts'), '--outFile', binaryFile, ...FLAGS], {});
    if (error) {
      process.stderr.write(stderr.toString());
      throw error;
    }
    const base64 = readFileSync(binaryFile).toString('base64');
    const text = `/** hot-path.ts, compiled; written by scripts/build-wasm.mjs. */\nexport const HOT_PATH_BASE64 =\n  '${base64}';\n`;
    writeFileSync(join(folder, 'hot-path-binary.ts'), text);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

if (process.argv[1] === join(repository, 'scripts', 'build-wasm.mjs')) await buildWasm();
