import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './run.mjs';

/** Modification time of the newest file among files and folders, in milliseconds; 0 for none. */
export function newest(...paths) {
  return Math.max(
    0,
    ...paths
      .map((path) => join(repository, path))
      .map((path) => {
        if (!existsSync(path)) return 0;
        const stat = statSync(path);
        if (!stat.isDirectory()) return stat.mtimeMs;
        return Math.max(
          0,
          ...readdirSync(path, { recursive: true }).map((entry) => statSync(join(path, entry)).mtimeMs),
        );
      }),
  );
}
