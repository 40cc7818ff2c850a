// Compiles lib/counter/wasm/hot-path.ts with AssemblyScript and writes the binary as a TypeScript module, so that the
// package needs no file access of its own to find it and every bundler carries it along.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const directory = fileURLToPath(new URL('../lib/counter/wasm/', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'percpu-wasm-'));
try {
  const { error, stderr } = await asc.main(
    [
      join(directory, 'hot-path.ts'),
      ...['--outFile', join(out, 'hot-path.wasm')],
      ...'-O3 --noAssert --runtime stub --importMemory --sharedMemory --enable threads --disable bulk-memory'.split(' '),
      ...'--initialMemory 1 --maximumMemory 65536'.split(' '),
    ],
    {},
  );
  if (error) {
    process.stderr.write(stderr.toString());
    throw error;
  }
  const binary = readFileSync(join(out, 'hot-path.wasm'));
  writeFileSync(
    join(directory, 'hot-path-binary.ts'),
    `/** hot-path.ts, compiled; written by scripts/build-wasm.mjs. */\nexport const HOT_PATH_BASE64 =\n  '${binary.toString('base64')}';\n`,
  );
} finally {
  rmSync(out, { recursive: true, force: true });
}
