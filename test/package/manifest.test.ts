import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
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
    for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(name);
    expect(packageJson.gypfile).toBe(false);
  });

  it('has no binding.gyp: Yarn would compile it', async () => {
    expect((await packed).files).not.toContain('binding.gyp');
  });

  it('depends on the packages that its own modules import, and on no other', async () => {
    const modules = (await packed).files.filter((file) => /^(bin|dist|scripts)\/.*\.[cm]?js$/.test(file));
    expect(modules.length).toBeGreaterThan(40);
    const imported = modules.flatMap((file) =>
      [
        ...readFileSync(join(repository, file), 'utf8').matchAll(/^(?:import|export)\s(?:[^'"]*\sfrom\s)?'([^']+)'/gm),
      ].map(([, name]) => name!),
    );
    const packages = imported.filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
    expect([...new Set(packages)].sort()).toEqual(Object.keys(packageJson.dependencies).sort());
  });

  it('holds every file that its documents link to', async () => {
    const { files } = await packed;
    const broken = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...readFileSync(join(repository, file), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link]) =>
          posix.join(posix.dirname(file), link!),
        ),
      )
      .filter((link) => !files.includes(link));
    expect(broken).toEqual([]);
  });
});
