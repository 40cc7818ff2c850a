/**
 * Every error of this package has a string `code`. Bad arguments are `TypeError` or `RangeError`, as in Node; all other
 * errors are {@link PercpuError}.
 */
export type ErrorCode =
  | 'ERR_INVALID_ARG_TYPE'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_DESTROYED'
  | 'ERR_ARENA_FULL'
  | 'ERR_UNSUPPORTED_PLATFORM'
  | 'ERR_NATIVE_UNAVAILABLE'
  | 'ABORT_ERR'
  | (string & {});

/** The details of a failed system call, as in Node's errors. */
export interface SystemErrorDetails {
  syscall: string;
  errno?: number;
  path?: string;
  pid?: number;
}

/** An error that is not the caller's argument: a destroyed object, a full arena, a refused system call. */
export class PercpuError extends Error {
  override readonly name: string = 'PercpuError';
  readonly code: ErrorCode;
  declare readonly syscall?: string;
  declare readonly errno?: number;
  declare readonly path?: string;
  declare readonly pid?: number;
  /** Of `ERR_ARENA_FULL`: milliseconds until there may be room. Absent if waiting does not help. */
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { details?: SystemErrorDetails }) {
    super(message, options && 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options?.details) Object.assign(this, options.details);
  }
}

/**
 * @returns the text with `\uXXXX`, as in JSON, for characters that control a terminal, break a line or change the writing
 *   direction: control characters (with U+007F to U+009F, which JSON does not escape), format characters, U+2028 and U+2029.
 */
export function escapeInvisible(text: string): string {
  // A character beyond U+FFFF is two units, so it has two escapes.
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => found.split('').map(escaped).join(''));
}

/** Undefined unless the name is a non-empty string: objects can have any value there, or throw. */
function nameOf(read: () => unknown): string | undefined {
  try {
    const name = read();
    return typeof name === 'string' && name !== '' ? escapeInvisible(name.slice(0, 40)) : undefined;
  } catch {
    return undefined;
  }
}

/** @returns at most 40 characters of a caller's text, with quotes and control characters escaped as in JSON. */
export function shorten(text: string): string {
  return escapeInvisible(JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text).slice(1, -1));
}

/** A short rendering of a rejected value, never a whole object graph. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string "${shorten(value)}"`;
    case 'bigint':
      return `the bigint ${value}n`;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'object':
      return value === null ? 'null' : `an object (${nameOf(() => value.constructor?.name) ?? 'no prototype'})`;
    case 'function':
      return `a function (${nameOf(() => value.name) ?? 'anonymous'})`;
    default:
      return escapeInvisible(String(value));
  }
}

/** @returns a `TypeError` with code `ERR_INVALID_ARG_TYPE` that names the argument, what is allowed and what was given. */
export function invalidArgType(argument: string, allowed: string, given: unknown): TypeError & { code: ErrorCode } {
  return Object.assign(new TypeError(`${argument} must be ${allowed}; given: ${describe(given)}`), {
    code: 'ERR_INVALID_ARG_TYPE' as ErrorCode,
  });
}

/** @returns a `RangeError` with code `ERR_OUT_OF_RANGE` that names the argument, what is allowed and what was given. */
export function outOfRange(argument: string, allowed: string, given: unknown): RangeError & { code: ErrorCode } {
  return Object.assign(new RangeError(`${argument} must be ${allowed}; given: ${describe(given)}`), {
    code: 'ERR_OUT_OF_RANGE' as ErrorCode,
  });
}

/** @returns a `PercpuError` for a failed system call, with the system's `code` (`ESRCH`, `EINVAL`, …). */
export function systemError(code: string, message: string, details: SystemErrorDetails): PercpuError {
  return new PercpuError(code, `${code}: ${message}`, { details });
}

export function destroyedError(): PercpuError {
  return new PercpuError('ERR_DESTROYED', 'The counter was destroyed');
}

/** @returns the `code` of a failed system call's error; `EIO` if it has none. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

/** @returns what a report says of anything that was thrown. */
export function failureOf(error: unknown): { code: string; message: string } {
  const { code = 'ERR_UNKNOWN', message = String(error) } = (error ?? {}) as NodeJS.ErrnoException;
  return { code: String(code), message: String(message) };
}

/** @returns the first line of an error's message, or of what was thrown in its place. */
export function firstLine(error: unknown): string {
  return String((error as Error | undefined)?.message ?? error).split('\n', 1)[0]!;
}

/** @returns the rejection of an operation whose `AbortSignal` fired; `cause` is the signal's reason. */
export function abortError(signal: AbortSignal): PercpuError {
  const error = new PercpuError('ABORT_ERR', 'The operation was aborted', { cause: signal.reason });
  return Object.defineProperty(error, 'name', { value: 'AbortError', enumerable: false });
}
