import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf, systemError } from './errors.js';

/** Neither waits for a FIFO's writer or a lease's holder, nor makes a terminal this process's. Windows has none of them. */
const UNTRUSTED = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** What opening says of a link that is not followed; a socket; a device without a driver. */
const NOT_REGULAR = new Set(['ELOOP', 'ENXIO', 'ENODEV']);

const PIECE_BYTES = 16 * 1024;

function notRegular(path: string): Error {
  return systemError('EBADMSG', `'${path}' is no regular file`, { syscall: 'open', path });
}

/**
 * Opens, for reading, a file at a path that others may have put anything at.
 *
 * @param links whether the last part of the path may be a symbolic link.
 * @throws the system's errors; PercpuError `EBADMSG` for a link, a directory, a FIFO, a socket, a device.
 */
export function openRegularFile(path: string, links: 'follow' | 'refuse' = 'refuse'): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, UNTRUSTED | (links === 'refuse' ? (constants.O_NOFOLLOW ?? 0) : 0));
  } catch (error) {
    throw NOT_REGULAR.has(codeOf(error)) ? notRegular(path) : error;
  }
  let isFile = false;
  try {
    isFile = fstatSync(descriptor).isFile();
    if (!isFile) throw notRegular(path);
    return descriptor;
  } finally {
    if (!isFile) closeSync(descriptor);
  }
}

/**
 * Reads such a file whole.
 *
 * @param most bytes it may have; the sizes that procfs and sysfs tell do not matter.
 * @throws as {@link openRegularFile}; `EBADMSG` for a larger one.
 */
export function readRegularFile(path: string, most: number, links?: 'follow' | 'refuse'): Buffer {
  const descriptor = openRegularFile(path, links);
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    // One byte more shows that it is larger. What is there is asked for first, which spares others pieces.
    let wanted = Math.min(Math.max(fstatSync(descriptor).size, PIECE_BYTES), most) + 1;
    for (;;) {
      const piece = Buffer.allocUnsafe(wanted);
      const read = readSync(descriptor, piece, 0, wanted, null);
      if (read === 0) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      bytes += read;
      if (bytes > most) {
        throw systemError('EBADMSG', `'${path}' has more than ${most} bytes`, { syscall: 'read', path });
      }
      pieces.push(piece.subarray(0, read));
      wanted = Math.min(PIECE_BYTES, most - bytes) + 1;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** More than any file of a proc tree or of sysfs that is read as a whole: /proc/stat of 4,096 CPUs has 2 MiB at most. */
export const TREE_FILE_BYTES = 8 << 20;

/**
 * Reads a file of a proc tree, or of sysfs, that others may have made.
 *
 * @returns its bytes as characters (latin1); undefined where it is not there, or this user may not read it.
 * @throws PercpuError `EBADMSG` for what is no regular file, or larger than any such file is.
 */
export function readTreeFile(path: string): string | undefined {
  try {
    return readRegularFile(path, TREE_FILE_BYTES).toString('latin1');
  } catch (error) {
    if (codeOf(error) === 'EBADMSG') throw error;
    return undefined;
  }
}

/** More than the package.json of any package has. */
const MANIFEST_BYTES = 1 << 20;

/**
 * Reads a package.json without running, following or waiting for anything.
 *
 * @returns its object; undefined where there is none, or what is there is not one.
 */
export function readManifest(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readRegularFile(path, MANIFEST_BYTES).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
