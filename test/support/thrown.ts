import { expect } from 'vitest';

/** What tests compare of an error. */
export interface Thrown {
  name: string;
  code: string;
  message: string;
}

function summary(error: unknown): Thrown {
  const { name, code, message } = error as Thrown;
  return { name, code, message };
}

/** What `run` throws, in a form to compare with. */
export function thrown(run: () => unknown): Thrown | string {
  try {
    run();
  } catch (error) {
    return summary(error);
  }
  return 'nothing thrown';
}

/** What `run` rejects with. */
export async function rejected(run: () => Promise<unknown>): Promise<Thrown | string> {
  try {
    await run();
  } catch (error) {
    return summary(error);
  }
  return 'nothing thrown';
}

const naming = (name: string, code: string, ...parts: string[]) =>
  expect.objectContaining({
    name,
    code,
    message: expect.stringMatching(
      new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')),
    ),
  });

/** A `TypeError` whose message has these parts in this order. */
export const typeError = (...parts: string[]) => naming('TypeError', 'ERR_INVALID_ARG_TYPE', ...parts);
/** A `RangeError` whose message has these parts in this order. */
export const rangeError = (...parts: string[]) => naming('RangeError', 'ERR_OUT_OF_RANGE', ...parts);
/** An error of the library with this code, whose message has these parts in this order. */
export const percpuError = (code: string, ...parts: string[]) => naming('PercpuError', code, ...parts);
export const destroyed = percpuError('ERR_DESTROYED', 'destroyed');

/** Values that are no number at all. */
export const NOT_NUMBERS: readonly unknown[] = [null, '1', 1n, true, Symbol('one'), {}, [1], () => 1];
/** Numbers that are no safe integers. */
export const NOT_SAFE_INTEGERS: readonly number[] = [
  Number.NaN,
  1.5,
  -0.25,
  2 ** 53,
  -(2 ** 53),
  1e300,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
