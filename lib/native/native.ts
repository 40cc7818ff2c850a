import { firstLine, PercpuError } from '../errors.js';
import type { NativeAddon } from './addon.js';
import { loadAddon, type NativeStatus } from './loader.js';
import { ownLocation } from './own-location.js';

/** Reading the environment throws where a runtime does not permit it. */
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

/** The addon, or why there is none. Loaded once per thread, when this module is; that never throws. */
export const native: NativeStatus = load();

/**
 * @returns the addon.
 * @throws PercpuError `ERR_UNSUPPORTED_PLATFORM` away from Linux, `ERR_NATIVE_UNAVAILABLE` where it did not load, with
 *   what was tried as `cause`.
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
