import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './consumer.js';

/** A fenced block of a document. */
export interface Snippet {
  /** The document and the line of the opening fence: `docs/guide.md:12`. */
  place: string;
  /** `js`, `sh`, `text`, … */
  language: string;
  /** Words after the language: `native` where the snippet needs the addon. */
  needs: string[];
  code: string;
}

/** The README and the pages of docs/, by their path from the repository's root. */
export const documentFiles = [
  'README.md',
  'CONTRIBUTING.md',
  'ARCHITECTURE.md',
  ...readdirSync(join(repository, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

export function readDocument(file: string): string {
  return readFileSync(join(repository, file), 'utf8');
}

/** @throws Error for a fence that is never closed. */
export function findSnippets(file: string, text: string): Snippet[] {
  const snippets: Snippet[] = [];
  let open: { line: number; info: string; code: string[] } | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    if (open === undefined) {
      if (line.startsWith('```')) open = { line: at + 1, info: line.slice(3).trim(), code: [] };
    } else if (line === '```') {
      const [language = '', ...needs] = open.info.split(/\s+/);
      snippets.push({ place: `${file}:${open.line}`, language, needs, code: `${open.code.join('\n')}\n` });
      open = undefined;
    } else open.code.push(line);
  }
  if (open) throw new Error(`${file}:${open.line}: the block is never closed`);
  return snippets;
}
