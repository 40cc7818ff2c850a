import { expect, it } from 'vitest';
import { codeOf, failureOf, firstLine } from '../lib/errors.js';

it.each<[string, unknown, { code: string; message: string }]>([
  ['an error of the system', Object.assign(new Error('no'), { code: 'ENOENT' }), { code: 'ENOENT', message: 'no' }],
  ['an error without a code', new Error('no'), { code: 'ERR_UNKNOWN', message: 'no' }],
  ['a string', 'no', { code: 'ERR_UNKNOWN', message: 'no' }],
  ['nothing', undefined, { code: 'ERR_UNKNOWN', message: 'undefined' }],
])('failureOf() describes %s', (_, thrown, expected) => {
  expect(failureOf(thrown)).toEqual(expected);
});

it('firstLine() cuts a message at its first line end', () => {
  expect(firstLine(new Error('one\ntwo'))).toBe('one');
  expect(firstLine('one\ntwo')).toBe('one');
  expect(firstLine(undefined)).toBe('undefined');
});

it('codeOf() gives the code of a system call, and EIO where there is none', () => {
  expect(codeOf(Object.assign(new Error('no'), { code: 'EACCES' }))).toBe('EACCES');
  expect(codeOf(new Error('no'))).toBe('EIO');
});
