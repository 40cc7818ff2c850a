import { firstLine, PercpuError } from '../errors.js';
import type { NativeAddon } from './addon.js';
import { loadAddon, type NativeStatus } from './loader.js';
import { ownLocation } from './own-location.js';

/** Some runtimes throw without permission to read the environment. */
function readSetting(): string | undefined {
  try {
    return process.env.PERCPU_NATIVE;
  } catch {
    return undefined;
  }
}

function load(): NativeStatus {
  try {
    return loadAddon(readSetting(), ownLocation());
  } catch (error) {
    return { addon: undefined, reason: firstLine(error), attempts: [] };
  }
}

/** The addon, or why there is none. Loaded once per thread, with this module; loading never throws. */
export const native: NativeStatus = load();

/**
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` on other systems than Linux; `ERR_NATIVE_UNAVAILABLE` if the addon did not
 *   load, with the attempts as `cause`.
 */
export function requireNative(feature: string): NativeAddon {
  if (native.addon) return native.addon;
  if (process.platform !== 'linux') {
    throw new PercpuError('ERR_UNSUPPORTED_PLATFORM', `${feature} needs Linux; this is ${process.platform}`);
  }
  throw new PercpuError('ERR_NATIVE_UNAVAILABLE', `${feature} needs the native addon: ${native.reason}`, {
    cause: native.attempts,
  });
}
