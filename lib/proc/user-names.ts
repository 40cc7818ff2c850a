import { statSync } from 'node:fs';
import { readRegularFile, TREE_FILE_BYTES } from '../regular-file.js';

const PASSWORD_FILE = '/etc/passwd';

/** How long the names are believed before the file's date is looked at again. */
const BELIEVED_MS = 1_000;

/**
 * @param text the content of a password file; passwd(5).
 * @returns the first name of each user id. Lines that are no entries are passed over.
 */
export function parseUsers(text: string): Map<number, string> {
  const users = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [, name, uid] = /^([^:#+-][^:]*):[^:]*:(\d{1,10}):/.exec(line) ?? [];
    if (name !== undefined && !users.has(Number(uid))) users.set(Number(uid), name);
  }
  return users;
}

let users = new Map<number, string>();
let version = '';
let lookedAt = Number.NEGATIVE_INFINITY;

/** Changes whenever the file does. */
function versionOf(path: string): string {
  const { dev, ino, size, mtimeMs } = statSync(path);
  return `${dev}:${ino}:${size}:${mtimeMs}`;
}

/** @returns this machine's name for a user id; null where its password file has none, as for users of a directory service. */
export function userName(uid: number): string | null {
  const now = performance.now();
  if (now - lookedAt > BELIEVED_MS) {
    lookedAt = now;
    try {
      const found = versionOf(PASSWORD_FILE);
      if (found !== version) {
        users = parseUsers(readRegularFile(PASSWORD_FILE, TREE_FILE_BYTES, 'follow').toString('utf8'));
        version = found;
      }
    } catch {
      users = new Map();
      version = '';
    }
  }
  return users.get(uid) ?? null;
}
