// What skip-reporter.test.ts runs in a Vitest of its own.
import { describe, expect, it } from 'vitest';
import { describeUnless, itUnless } from '../skip.js';

describe('outer', () => {
  itUnless('')('runs', () => expect(1).toBe(1));
  itUnless('there is no cat')('needs a cat', () => expect(1).toBe(2));
});

describeUnless('the moon (new) is out')('a suite', () => {
  it.each([1, 2])('has test %i', () => expect(1).toBe(2));
});

it('skips itself', ({ skip }) => skip('it is tired'));

it.skip('is silent', () => {});
