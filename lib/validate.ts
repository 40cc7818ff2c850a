import { type ErrorCode, invalidArgType, outOfRange, shorten } from './errors.js';

/** Largest number of a process or a thread that the kernel's types hold; the kernel itself stops at 2^22. */
export const MAX_PID = 2 ** 31 - 1;

interface IntegerRange {
  min: number;
  max: number;
}

/**
 * @returns `value`, if it is an integer within the range.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not a number; RangeError `ERR_OUT_OF_RANGE` if it is not an integer (`NaN`
 *   and `1.5` included) or outside the range.
 */
export function requireInteger(value: unknown, argument: string, { min, max }: IntegerRange): number {
  if (typeof value !== 'number') throw invalidArgType(argument, 'a number', value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw outOfRange(argument, `an integer from ${min} to ${max}`, value);
  }
  return value;
}

/**
 * @returns `value`, if it is a safe integer (|value| <= 2^53 - 1).
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`.
 */
export function requireSafeInteger(value: unknown, argument: string): number {
  if (typeof value !== 'number') throw invalidArgType(argument, 'a number', value);
  if (!Number.isSafeInteger(value)) throw outOfRange(argument, 'a safe integer (at most 2^53 - 1 either way)', value);
  return value;
}

/** Levenshtein's distance: insertions, deletions and replacements of one letter that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** @returns the name that was probably meant: one is the beginning of the other, or few edits turn one into the other. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const lower = given.toLowerCase();
  if (lower.length < 2 || lower.length > 40) return undefined;
  const startsAlike = (name: string) => name.toLowerCase().startsWith(lower) || lower.startsWith(name.toLowerCase());
  const edits = (name: string) => (startsAlike(name) ? 0 : editDistance(lower, name.toLowerCase()));
  const [best] = names.toSorted((a, b) => edits(a) - edits(b));
  return best !== undefined && edits(best) <= Math.max(1, Math.floor(best.length / 3)) ? best : undefined;
}

/** Names the option that a value of another kind was probably meant for. */
function optionsObject(value: unknown, names: readonly string[]): string {
  const meant =
    value instanceof AbortSignal && names.includes('signal')
      ? ', as in { signal }'
      : Array.isArray(value) && names.includes('pids')
        ? ', as in { pids }'
        : '';
  return `an object with options${meant}`;
}

/** Reads each option once: a getter may give another value, or throw, the next time. */
function readOptions<T extends object>(
  value: T,
  names: readonly (keyof T & string)[],
  argument: string,
): { unknown: string | undefined; options: Partial<T> } {
  try {
    if (Array.isArray(value) || value instanceof AbortSignal) {
      throw invalidArgType(argument, optionsObject(value, names), value);
    }
    const unknown = Object.keys(value).find((name) => !(names as readonly string[]).includes(name));
    const options: Partial<T> = {};
    for (const name of names) if (unknown === undefined && name in value) options[name] = value[name];
    return { unknown, options };
  } catch (error) {
    if ((error as { code?: unknown } | undefined)?.code === 'ERR_INVALID_ARG_TYPE') throw error;
    throw Object.assign(new TypeError(`${argument} cannot be read: a getter or a proxy throws`, { cause: error }), {
      code: 'ERR_INVALID_ARG_TYPE' as ErrorCode,
    });
  }
}

/**
 * @param names all known options.
 * @returns the values of `value`, if it is an object with no other names; an empty object for `undefined`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not an object of options (arrays, functions and an `AbortSignal` are not);
 *   if a getter throws, with its error as `cause`; for an unknown name, with the name that was probably meant.
 */
export function requireOptions<T extends object>(
  value: T | undefined,
  names: readonly (keyof T & string)[],
  argument = 'options',
): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw invalidArgType(argument, optionsObject(value, names), value);
  const { unknown, options } = readOptions(value, names, argument);
  if (unknown === undefined) return options;
  const near = nearestName(unknown, names);
  const meant = near === undefined ? `known: ${names.join(', ')}` : `did you mean '${near}'?`;
  throw Object.assign(new TypeError(`${argument} has no '${shorten(unknown)}'; ${meant}`), {
    code: 'ERR_INVALID_ARG_TYPE' as ErrorCode,
  });
}

/** @throws TypeError `ERR_INVALID_ARG_TYPE` when it is no boolean. */
export function requireBoolean(value: unknown, argument: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgType(argument, 'a boolean', value);
  return value;
}

/**
 * @returns `value`, if it is one of `allowed`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not a string; RangeError `ERR_OUT_OF_RANGE` if it is another one.
 */
export function requireOneOf<T extends string>(value: unknown, argument: string, allowed: readonly T[]): T {
  if (typeof value !== 'string') throw invalidArgType(argument, 'a string', value);
  if (!(allowed as readonly string[]).includes(value)) {
    throw outOfRange(argument, `one of ${allowed.map((a) => `'${a}'`).join(', ')}`, value);
  }
  return value as T;
}
