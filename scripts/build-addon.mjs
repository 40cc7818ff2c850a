// Builds the native addon into build/Release/percpu.node, without downloading anything.
// Usage: node scripts/build-addon.mjs [--with node-gyp | --with cmake-js]
//
// node-gyp takes Node's headers from beside the running Node; cmake-js brings Node-API's own. Without --with, the first
// one whose tools are there is used.
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isAvailable, repository, run } from './run.mjs';

/** Folder with include/node/ of the running Node: a tarball's, a version manager's or a distribution's. */
export function headersFolder() {
  const folder = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(folder, 'include', 'node', 'common.gypi')) ? folder : undefined;
}

/** Headers, wanted for compiling only: an installed package does not bring them. */
function isInstalled(name) {
  try {
    const paths = [repository, ...(process.env.NODE_PATH ?? '').split(delimiter).filter(isAbsolute)];
    createRequire(import.meta.url).resolve(`${name}/package.json`, { paths });
    return true;
  } catch {
    return false;
  }
}

const tools = {
  'node-gyp': {
    async lacks() {
      if (!(await isAvailable('node-gyp'))) return 'itself (npm install --save-dev node-gyp)';
      if (!headersFolder()) return "Node's headers (include/node beside its bin folder)";
      if (!(await isAvailable('make'))) return 'make';
      return (await isAvailable('python3')) ? undefined : 'python3';
    },
    build() {
      const file = join(repository, 'binding.gyp');
      if (!existsSync(file)) writeFileSync(file, "{ 'includes': ['native/percpu.gypi'] }\n");
      return run('node-gyp', ['rebuild', `--nodedir=${headersFolder()}`], { capture: true });
    },
  },
  'cmake-js': {
    async lacks() {
      if (!(await isAvailable('cmake-js'))) return 'itself (npm install --save-dev cmake-js)';
      return (await isAvailable('cmake')) ? undefined : 'cmake';
    },
    build: () => run('cmake-js', ['rebuild', '--out', 'build'], { capture: true }),
  },
};

/**
 * @param {'node-gyp' | 'cmake-js'} [wanted] default: the first one that can work here.
 * @param {() => void} [onStart] called when all tools are there and the compiler starts.
 * @returns {Promise<string | undefined>} what is missing on this machine, `undefined` when the addon was built.
 * @throws Error with `output` when the tools are there and the build fails.
 */
export async function buildAddon(wanted, onStart = () => {}) {
  if (process.platform !== 'linux') return `the addon is for Linux, this is ${process.platform}`;
  if (!(await isAvailable(process.env.CXX ?? 'c++')) && !(await isAvailable('g++')))
    return 'no C++ compiler (g++ or $CXX)';
  if (!isInstalled('node-addon-api')) return 'no node-addon-api (npm install --save-dev node-addon-api)';
  const missing = [];
  for (const name of wanted ? [wanted] : Object.keys(tools)) {
    const lacking = await tools[name].lacks();
    if (lacking === undefined) {
      onStart();
      await tools[name].build();
      return undefined;
    }
    missing.push(`${name} needs ${lacking}`);
  }
  return missing.join('; ');
}

/**
 * Lets the compiler's tools be those of the project that this script was started from, by its path in node_modules. Where
 * that is a link into a store, as pnpm makes it, nothing else leads from the package to the project.
 */
function takeToolsOfProject(script) {
  const modules = join(script, '..', '..', '..');
  if (basename(modules) !== 'node_modules') return;
  const before = (place, list) => (list ? `${place}${delimiter}${list}` : place);
  process.env.PATH = before(join(modules, '.bin'), process.env.PATH);
  process.env.NODE_PATH = before(modules, process.env.NODE_PATH);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  takeToolsOfProject(process.argv[1]);
  const { values } = parseArgs({ options: { with: { type: 'string' } } });
  if (values.with !== undefined && !Object.hasOwn(tools, values.with)) {
    process.stderr.write(`--with takes ${Object.keys(tools).join(' or ')}\n`);
    process.exit(2);
  }
  try {
    const problem = await buildAddon(values.with);
    if (problem) throw new Error(problem);
    process.stderr.write('built build/Release/percpu.node\n');
  } catch (error) {
    process.stderr.write(`${error.output ?? ''}${error.message}\n`);
    process.exit(1);
  }
}
