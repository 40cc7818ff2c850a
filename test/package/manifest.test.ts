import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { expectedFiles, manifestProblems, packedFiles } from '../../scripts/manifest.mjs';
import { repository } from '../support/consumer.js';

const packed = packedFiles();

describe('the package', () => {
  it('holds what a user needs and nothing else, in less than 400 KB', async () => {
    expect(manifestProblems(await packed)).toEqual([]);
  });

  const absent = expectedFiles().prebuilt.filter((file) => !existsSync(join(repository, file)));
  const title = absent.length > 0 ? ` (skipped: npm run prebuild has not made ${absent.join(', ')})` : '';
  it.skipIf(absent.length > 0)(`brings all binaries along${title}`, async () => {
    const { files } = await packed;
    expect(files.filter((file) => file.startsWith('prebuilds/'))).toEqual(expectedFiles().prebuilt);
  });

  it('runs nothing when it is installed', () => {
    const { scripts } = packageJson as { scripts: Record<string, string> };
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name);
    expect(packageJson.gypfile).toBe(false);
  });
});
