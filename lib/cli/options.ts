import { InvalidArgumentError } from 'commander';

/** @returns a parser of an option's value for commander, which adds the option's name to errors. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 86400, such as 0.5.');
}

export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('It must be a regular expression.');
  }
}
