import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { native } from '../../lib/native/native.js';
import { makeConsumer, removeFolders, repository, runProgram } from '../support/consumer.js';
import { documentFiles, findSnippets, readDocument, type Snippet } from '../support/documents.js';

afterAll(removeFolders);

/** `text`: output, drawings, files. `sh` in the documents for users is run, elsewhere it is for this repository. */
const LANGUAGES = ['js', 'sh', 'ts', 'text'];
const FOR_DEVELOPERS = ['CONTRIBUTING.md', 'ARCHITECTURE.md', 'docs/extending.md'];

const all = documentFiles
  .filter((file) => !FOR_DEVELOPERS.includes(file))
  .flatMap((file) => findSnippets(file, readDocument(file)));
const scripts = all.filter(({ language }) => language === 'js');
const commands = all.filter(({ language, code }) => language === 'sh' && /^npx percpu/m.test(code));

/** A project with this package installed, the command line included. */
function makeProject(files: Record<string, string>): string {
  const folder = makeConsumer({ 'package.json': '{ "private": true }', ...files });
  mkdirSync(join(folder, 'node_modules', '.bin'));
  const main = join(repository, 'dist', 'cli', 'main.js');
  // A link would do where npm has made the file executable.
  writeFileSync(join(folder, 'node_modules', '.bin', 'percpu'), `#!/bin/sh\nexec node '${main}' "$@"\n`, {
    mode: 0o755,
  });
  return folder;
}

/** The suite may run with the addon switched off; so do the snippets then. */
const env = { PERCPU_NATIVE: process.env.PERCPU_NATIVE };

/** @returns why a snippet cannot run here; '' where it can. */
function whyNot({ needs }: Snippet): string {
  if (process.platform !== 'linux') return 'only on Linux';
  return needs.includes('native') && !native.addon ? native.reason : '';
}

const titled = (snippets: Snippet[]) =>
  snippets.map((snippet) => {
    const reason = whyNot(snippet);
    return { title: snippet.place + (reason && ` (skipped: ${reason})`), snippet, reason };
  });

describe('a snippet of the documents runs as it stands', () => {
  for (const { title, snippet, reason } of titled(scripts)) {
    it.skipIf(reason)(title, async () => {
      const folder = makeProject({ 'snippet.mjs': snippet.code });
      const { code, signal, stderr } = await runProgram(process.execPath, ['snippet.mjs'], { cwd: folder, env });
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    });
  }
});

describe('a command of the documents runs as it stands', () => {
  for (const { title, snippet, reason } of titled(commands)) {
    it.skipIf(reason)(title, async () => {
      const lines = snippet.code.split('\n').filter((line) => !/^npm install\b/.test(line));
      const folder = makeProject({});
      const outcome = await runProgram('sh', ['-ec', lines.join('\n')], { cwd: folder, env });
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, signal: null });
      expect(outcome.stdout).not.toBe('');
    });
  }
});

describe('the documents', () => {
  it('hold snippets and commands that run', () => {
    expect(scripts.length).toBeGreaterThan(5);
    expect(commands.length).toBeGreaterThan(1);
  });

  it('say of each block what it is', () => {
    const unnamed = all.filter(({ language }) => !LANGUAGES.includes(language)).map(({ place }) => place);
    expect(unnamed).toEqual([]);
  });

  it('use no need that the test does not know', () => {
    expect(all.flatMap(({ needs }) => needs).filter((need) => need !== 'native')).toEqual([]);
  });

  it('link to files and headings that exist', () => {
    const broken = documentFiles.flatMap((file) =>
      localLinks(readDocument(file))
        .filter((link) => !exists(file, link))
        .map((link) => `${file}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('describe the command line as it is', async () => {
    const script = join(repository, 'scripts', 'write-cli-docs.mjs');
    const { code, stderr } = await runProgram(process.execPath, [script, '--check']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('are split into blocks without losing a line', () => {
    const text = 'a\n```js native\nlet b;\n\n```\n```\nc\n```\n';
    expect(findSnippets('x.md', text)).toEqual([
      { place: 'x.md:2', language: 'js', needs: ['native'], code: 'let b;\n\n' },
      { place: 'x.md:6', language: '', needs: [], code: 'c\n' },
    ]);
    expect(() => findSnippets('x.md', '```js\nlet a;\n')).toThrow('x.md:1: the block is never closed');
  });
});

/** Targets of links and pictures outside of blocks and inline code, those of other sites left out. */
function localLinks(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, 'x');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link));
}

function exists(from: string, link: string): boolean {
  const [path, heading] = link.split('#');
  const target = path ? join(from, '..', path) : from;
  let text: string;
  try {
    text = readFileSync(join(repository, target), 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EISDIR';
  }
  return heading === undefined || headings(text).includes(heading);
}

/** The anchors that GitHub makes of a page's headings. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
