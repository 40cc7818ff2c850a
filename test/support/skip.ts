import { describe, it, type SuiteFactory, type TestFunction, type TestOptions } from 'vitest';
import { native } from '../../lib/native/native.js';

/** Why what needs Linux cannot run here; '' where it can. */
export const notLinux = process.platform === 'linux' ? '' : `only on Linux, this is ${process.platform}`;

/** Why what needs the addon cannot run here; '' where it can. */
export const noAddon = native.addon ? '' : native.reason;

/** A title that carries the reason, which skip-reporter.ts prints. */
export const withReason = (title: string, reason: string): string => (reason ? `${title} (skipped: ${reason})` : title);

/**
 * `it`, skipped for a reason: `itUnless(notLinux)('reads /proc', …)`.
 *
 * @param reason why the test cannot run here; '' where it can.
 */
export function itUnless(reason: string) {
  const skip = it.skipIf(reason !== '');
  return (title: string, ...test: [TestFunction] | [TestOptions, TestFunction]) => {
    const [options, run] = test.length === 1 ? [{}, test[0]] : test;
    skip(withReason(title, reason), options, run);
  };
}

/**
 * `describe`, skipped for a reason.
 *
 * @param reason why its tests cannot run here; '' where they can.
 */
export function describeUnless(reason: string) {
  const skip = describe.skipIf(reason !== '');
  return (title: string, ...tests: [SuiteFactory] | [TestOptions, SuiteFactory]) => {
    const [options, define] = tests.length === 1 ? [{}, tests[0]] : tests;
    skip(withReason(title, reason), options, define);
  };
}
