import { describe, expect, it } from 'vitest';
import { indented, outputFor, outputWidth, wantsColor } from '../../lib/cli/terminal.js';

const PIPE = { columns: 0 };
const TERMINAL = { isTTY: true, columns: 140 };

describe('outputWidth', () => {
  it.each([
    ['a terminal', TERMINAL, 140],
    ['a narrow one', { isTTY: true, columns: 20 }, 40],
    ['one that does not know its size', { isTTY: true, columns: 0 }, 80],
    ['a pipe', PIPE, 80],
  ])('%s', (_, stream, width) => {
    expect(outputWidth(stream as NodeJS.WriteStream)).toBe(width);
  });
});

describe('wantsColor', () => {
  it.each<[string, object, NodeJS.ProcessEnv, boolean]>([
    ['a terminal', TERMINAL, {}, true],
    ['a dumb one', TERMINAL, { TERM: 'dumb' }, false],
    ['a terminal with NO_COLOR', TERMINAL, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', TERMINAL, { NO_COLOR: '' }, true],
    ['a terminal with FORCE_COLOR=0', TERMINAL, { FORCE_COLOR: '0' }, false],
    ['a pipe', PIPE, {}, false],
    ['a pipe in CI', PIPE, { CI: 'true' }, false],
    ['a pipe with FORCE_COLOR', PIPE, { FORCE_COLOR: '1' }, true],
    ['a pipe with both', PIPE, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('%s', (_, stream, env, wanted) => {
    expect(wantsColor(stream as NodeJS.WriteStream, env)).toBe(wanted);
  });
});

describe('outputFor', () => {
  it('is plain and 80 columns wide for a pipe', () => {
    const { width, colors } = outputFor(PIPE as NodeJS.WriteStream);
    expect(width).toBe(80);
    expect(colors.isColorSupported).toBe(Boolean(process.env.FORCE_COLOR) && process.env.FORCE_COLOR !== '0');
  });
});

describe('indented', () => {
  it('takes the indent off the width that its lines may have', () => {
    const lines = indented({ ...outputFor(PIPE as NodeJS.WriteStream), width: 10 }, ({ width }) => ['x'.repeat(width)]);
    expect(lines).toEqual(['  xxxxxxxx']);
  });
});
