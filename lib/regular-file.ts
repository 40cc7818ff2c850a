import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf, systemError } from './errors.js';

/** Does not wait for a FIFO's writer or a lease's holder, and takes no controlling terminal. Windows lacks these flags. */
const UNTRUSTED = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** The errors of opening a link that is not followed; a socket; a device without a driver. */
const NOT_REGULAR = new Set(['ELOOP', 'ENXIO', 'ENODEV']);

const PIECE_BYTES = 16 * 1024;

function notRegular(path: string): Error {
  return systemError('EBADMSG', `'${path}' is not a regular file`, { syscall: 'open', path });
}

/**
 * Opens a file for reading, at a path where others may have put anything.
 *
 * @param links whether the last part of the path may be a symbolic link.
 * @throws the system's errors; PercpuError `EBADMSG` for a link, directory, FIFO, socket or device.
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
 * @param most bytes the file may have; the sizes that procfs and sysfs report do not matter.
 * @throws as {@link openRegularFile}; `EBADMSG` for a larger file.
 */
export function readRegularFile(path: string, most: number, links?: 'follow' | 'refuse'): Buffer {
  const descriptor = openRegularFile(path, links);
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    // One byte more detects a larger file. The first read asks for the reported size, so most files are one piece.
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

/**
 * Reads the beginning of such a file, however large it is.
 *
 * @returns at most that many bytes.
 * @throws as {@link openRegularFile}.
 */
export function readRegularHead(path: string, most: number): Buffer {
  const descriptor = openRegularFile(path);
  try {
    const head = Buffer.alloc(most);
    return head.subarray(0, readSync(descriptor, head, 0, most, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** More than any whole file of a proc tree or of sysfs: /proc/stat of 4,096 CPUs has 2 MiB at most. */
export const TREE_FILE_BYTES = 8 << 20;

/**
 * Reads a file of a proc tree or of sysfs that others may have made.
 *
 * @returns its text; undefined if it is missing or this user may not read it.
 * @throws PercpuError `EBADMSG` if it is not a regular file, or larger than `TREE_FILE_BYTES`.
 */
export function readTreeFile(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string | undefined {
  try {
    return readRegularFile(path, TREE_FILE_BYTES).toString(encoding);
  } catch (error) {
    if (codeOf(error) === 'EBADMSG') throw error;
    return undefined;
  }
}

/** More than the package.json of any package has. */
const MANIFEST_BYTES = 1 << 20;

/**
 * Reads a package.json without running or following anything, and without blocking.
 *
 * @returns its object; undefined if there is none.
 */
export function readManifest(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readRegularFile(path, MANIFEST_BYTES).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
