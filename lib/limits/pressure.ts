/** Pressure stall information of one kind. Source: Documentation/accounting/psi.rst. */
export interface Psi {
  /** Percent of the last 10, 60 and 300 seconds in which tasks waited for memory. */
  avg10: number;
  avg60: number;
  avg300: number;
  /** Microseconds since boot, or since the group was made. */
  totalUs: number;
}

/** `some`: at least one task waited; `full`: all runnable tasks waited. */
export interface Pressure {
  some: Psi;
  full: Psi;
}

function parseLine(text: string, kind: 'some' | 'full'): Psi | undefined {
  const percent = '(\\d{1,3}\\.\\d\\d)';
  const line = new RegExp(`^${kind} avg10=${percent} avg60=${percent} avg300=${percent} total=(\\d{1,20})$`, 'm').exec(
    text,
  );
  if (!line) return undefined;
  const [avg10, avg60, avg300, totalUs] = line.slice(1).map(Number);
  return { avg10: avg10!, avg60: avg60!, avg300: avg300!, totalUs: totalUs! };
}

/** @returns null without such a file (PSI off), or if it has another format. */
export function parsePressure(text: string | undefined): Pressure | null {
  if (text === undefined) return null;
  const some = parseLine(text, 'some');
  const full = parseLine(text, 'full');
  return some && full ? { some, full } : null;
}
