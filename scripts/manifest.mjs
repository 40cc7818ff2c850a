// What belongs into the package: a user's needs, and nothing else.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { targets } from './prebuild/targets.mjs';
import { repository, run } from './run.mjs';

export const LARGEST_TARBALL_BYTES = 400_000;

/** Files below a folder of the repository, by their path from its root. */
function filesBelow(folder) {
  return readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(repository.length)}/${entry.name}`);
}

/** @returns {{ required: string[], prebuilt: string[] }} what the package must hold, and the binaries, which are made for a release. */
export function expectedFiles() {
  const compiled = filesBelow('lib')
    .filter((file) => file.endsWith('.ts') && file !== 'lib/counter/wasm/hot-path.ts')
    .map((file) => file.replace(/^lib/, 'dist').replace(/\.ts$/, ''));
  return {
    required: [
      ...[
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
        'ARCHITECTURE.md',
        'CONTRIBUTING.md',
        ...['bin/percpu.cjs', 'bin/require.cjs', 'bin/require.d.cts', 'bin/old-node.cjs'],
        'docs/percpu.1',
      ],
      ...compiled.flatMap((file) => [`${file}.js`, `${file}.d.ts`]),
      // To compile the addon where there is no binary for a machine.
      ...filesBelow('native'),
      ...['CMakeLists.txt', 'scripts/build-addon.mjs', 'scripts/run.mjs'],
      ...['docs', 'examples'].flatMap(filesBelow),
    ].sort(),
    prebuilt: targets.map(({ file }) => file).sort(),
  };
}

/** @returns {Promise<{ files: string[], bytes: number }>} what `npm pack` would make of the tree as it is. */
export async function packedFiles() {
  const output = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { capture: true });
  // npm says other things too, on the standard error.
  const [{ files, size }] = Object.values(
    JSON.parse(output.slice(output.search(/^[[{]/m), output.search(/^[\]}]/m) + 1)),
  );
  return { files: files.map(({ path }) => path).sort(), bytes: size };
}

/** @returns {string[]} what is missing, and what should not be there. */
export function manifestProblems({ files, bytes }) {
  const { required, prebuilt } = expectedFiles();
  const known = new Set([...required, ...prebuilt, 'SECURITY.md']);
  return [
    ...required.filter((file) => !files.includes(file)).map((file) => `${file} is missing`),
    ...files.filter((file) => !known.has(file)).map((file) => `${file} does not belong into the package`),
    ...(bytes < LARGEST_TARBALL_BYTES ? [] : [`${bytes} bytes, more than ${LARGEST_TARBALL_BYTES}`]),
  ];
}
