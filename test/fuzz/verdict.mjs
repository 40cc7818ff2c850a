// What counts as an answer, and what as a finding.

/** Something that must not happen for any input. */
export class Finding extends Error {}

export function require(condition, message) {
  if (!condition) throw new Finding(message);
}

/** Whether an error is one of those the package documents: of a documented class, with a code and a message. */
export function isTyped(error) {
  return (
    error instanceof Error &&
    ['TypeError', 'RangeError', 'PercpuError', 'AbortError'].includes(error.name) &&
    typeof error.code === 'string' &&
    /^[A-Z][A-Z0-9_]+$/.test(error.code) &&
    typeof error.message === 'string' &&
    error.message !== ''
  );
}

/**
 * Runs something that may answer or refuse.
 *
 * @returns its answer; `undefined` with the outcome noted where it refused.
 * @throws Finding for any other error.
 */
export function attempt(outcomes, what, run, passes = () => false) {
  try {
    const answer = run();
    note(outcomes, `${what}: answered`);
    return answer;
  } catch (error) {
    if (error instanceof Finding) throw error;
    if (!isTyped(error) && !passes(error)) {
      throw new Finding(`${what} threw ${error?.name} without a code: ${error?.stack ?? error}`);
    }
    note(outcomes, `${what}: ${error.code ?? 'as the object told it'}`);
    return undefined;
  }
}

export function note(outcomes, outcome) {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}

export function requireAscendingIntegers(list, least, most, what) {
  let previous = least - 1;
  for (const number of list) {
    require(Number.isInteger(number) && number > previous && number <= most, `${what}: ${number} after ${previous}`);
    previous = number;
  }
}

/** A number that a file can hold: not negative, exact. */
export function requireCounts(object, names, what) {
  for (const name of names) {
    require(Number.isSafeInteger(object[name]) && object[name] >= 0, `${what}.${name} is ${object[name]}`);
  }
}
