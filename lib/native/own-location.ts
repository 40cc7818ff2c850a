import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * The file: URL of the module, or of the bundle it is in. `import.meta.url` is not enough: webpack replaces it with the
 * module's address on the build machine, and esbuild with nothing in CommonJS.
 *
 * @returns undefined if the code runs from no file.
 */
export function ownLocation(): string | undefined {
  const { prepareStackTrace } = Error;
  try {
    let names: (string | null | undefined)[] = [];
    Error.prepareStackTrace = (_, sites) => {
      names = sites.map((site) => site.getFileName());
      return '';
    };
    // V8 makes the trace when `stack` is read first, or with the object.
    void new Error().stack;
    // Code that a bundler passes to eval has a name that is not a path; its caller's frame is the bundle's.
    for (const name of names) {
      if (name?.startsWith('file:')) return name;
      if (name && isAbsolute(name)) return pathToFileURL(name).href;
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
}
