import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * The file: URL of the file that this code runs from: the module, or the bundle it is in. `import.meta.url` does not say
 * that: webpack replaces it with the module's address on the machine that builds, esbuild with nothing in CommonJS.
 *
 * @returns undefined where the code runs from no file.
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
    // Code that a bundler hands to eval has a name that is no path; the frame that called it is the bundle's.
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
