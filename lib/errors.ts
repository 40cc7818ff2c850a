/**
 * Every error this package throws carries a string `code`. Bad arguments are `TypeError` or `RangeError`, as in Node
 * itself; everything else is a {@link PercpuError}.
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

/** What a failed system call leaves behind, in the shape Node's own errors have. */
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
  /** Of `ERR_ARENA_FULL`: in so many milliseconds there may be room. Absent where waiting does not help. */
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { details?: SystemErrorDetails }) {
    super(message, options && 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options?.details) Object.assign(this, options.details);
  }
}

/**
 * @returns the text with `\uXXXX`, as in JSON, for characters that steer a terminal, break a line or turn the writing
 *   direction: control characters (also U+007F to U+009F, which JSON lets through), format characters, and U+2028 and U+2029.
 */
export function escapeInvisible(text: string): string {
  // Those beyond U+FFFF are two units, and so two escapes.
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => found.split('').map(escaped).join(''));
}

/** A name that is one: objects can have anything in its place, or throw when they are asked. */
function nameOf(read: () => unknown): string | undefined {
  try {
    const name = read();
    return typeof name === 'string' && name !== '' ? escapeInvisible(name.slice(0, 40)) : undefined;
  } catch {
    return undefined;
  }
}

/** @returns at most 40 characters of a text that a caller gave, quotes and control characters escaped as in JSON. */
export function shorten(text: string): string {
  return escapeInvisible(JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text).slice(1, -1));
}

/** A short rendering of a rejected value: enough to recognise it, never a whole object graph. */
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

/** @returns a `PercpuError` for a failed system call, with the system's own `code` (`ESRCH`, `EINVAL`, …); `syscall` is its property. */
export function systemError(code: string, message: string, details: SystemErrorDetails): PercpuError {
  return new PercpuError(code, `${code}: ${message}`, { details });
}

/** @returns the error for a counter that was destroyed. */
export function destroyedError(): PercpuError {
  return new PercpuError('ERR_DESTROYED', 'The counter was destroyed');
}

/** @returns the `code` of an error that a system call left behind; `EIO` where it has none. */
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

/** @returns what an operation rejects with when its `AbortSignal` fires; `cause` is the signal's reason. */
export function abortError(signal: AbortSignal): PercpuError {
  const error = new PercpuError('ABORT_ERR', 'The operation was aborted', { cause: signal.reason });
  return Object.defineProperty(error, 'name', { value: 'AbortError', enumerable: false });
}
