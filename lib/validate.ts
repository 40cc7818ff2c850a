import { invalidArgType, outOfRange } from './errors.js';

/** Range limits of an integer argument; both ends inclusive. */
interface IntegerRange {
  min: number;
  max: number;
}

/**
 * @returns `value`, when it is an integer within the range.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` when it is not a number; RangeError `ERR_OUT_OF_RANGE` when it is no integer
 *   (`NaN` and `1.5` included) or outside the range.
 */
export function requireInteger(value: unknown, argument: string, { min, max }: IntegerRange): number {
  if (typeof value !== 'number') throw invalidArgType(argument, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw outOfRange(argument, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

/**
 * @returns `value`, when it is a safe integer (|value| <= 2^53 - 1): what a count, a delta or a sum may be.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`.
 */
export function requireSafeInteger(value: unknown, argument: string): number {
  if (typeof value !== 'number') throw invalidArgType(argument, 'a number', value);
  if (!Number.isSafeInteger(value)) throw outOfRange(argument, 'a safe integer (at most 2^53 - 1 either way)', value);
  return value;
}

/**
 * @returns `value`, when it is an object (an options bag), an empty one for `undefined`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`.
 */
export function requireOptions<T extends object>(value: T | undefined, argument = 'options'): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw invalidArgType(argument, 'an object', value);
  return value;
}

/**
 * @returns `value`, when it is one of `allowed`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` when it is not a string; RangeError `ERR_OUT_OF_RANGE` when it is another one.
 */
export function requireOneOf<T extends string>(value: unknown, argument: string, allowed: readonly T[]): T {
  if (typeof value !== 'string') throw invalidArgType(argument, 'a string', value);
  if (!(allowed as readonly string[]).includes(value)) {
    throw outOfRange(argument, `one of ${allowed.map((a) => `'${a}'`).join(', ')}`, value);
  }
  return value as T;
}
