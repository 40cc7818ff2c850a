import { invalidArgType } from '../errors.js';
import { requireInteger, requireOneOf, requireOptions } from '../validate.js';
import type { ProcessIdentity } from './identity.js';
import type { RssBreakdown, RssReading } from './reading.js';

/** Readings of one group, added up. Sizes in bytes. */
export interface RssGroup {
  group: string;
  processes: number;
  /** Sums. Memory that processes share counts once in each of them: the sum can exceed what there is. */
  precise: number;
  approximate: number;
  /** The sum of |approximate - precise|: errors of opposite signs do not cancel out. */
  error: number;
  /** Anonymous memory, which counts nothing twice but for what forked processes have not written to yet. */
  anon: number;
  /** Only where all readings have a breakdown. */
  swap?: number;
  /** In the order of the readings. */
  pids: number[];
}

/** What readings may be grouped by; all but `name` need an identity. */
export type GroupKey = 'name' | 'command' | 'service' | 'cgroup' | 'user';

type Readings = RssReading & Partial<RssBreakdown> & Partial<ProcessIdentity>;

export interface GroupOptions<Reading> {
  /**
   * - `name`: the command name; `command`: the whole command line, arguments separated by spaces;
   * - `service`, `cgroup`: see {@link ProcessIdentity}; `(none)` gathers processes without one;
   * - `user`: the user's name, or the number where there is no name;
   * - a function: the group's name; null leaves the process out.
   */
  by: GroupKey | ((reading: Reading) => string | null);
  /** How many groups to return; all others are added up in `other`, which comes last. 1 … 2^32 - 1; default: all. */
  top?: number;
}

const NONE = '(none)';
const OTHER = 'other';

const KEYS: Record<GroupKey, (reading: Readings) => string> = {
  name: ({ name }) => name,
  command: ({ command, name }) => (command!.length > 0 ? command!.join(' ') : name),
  service: ({ service }) => service ?? NONE,
  cgroup: ({ cgroup }) => cgroup ?? NONE,
  user: ({ user, uid }) => user ?? String(uid),
};

function requireReadings<Reading>(readings: unknown): Iterable<Reading> {
  if (typeof readings === 'object' && readings !== null && Symbol.iterator in readings) {
    return readings as Iterable<Reading>;
  }
  throw invalidArgType('readings', 'an iterable of readings', readings);
}

function requireReading(reading: unknown, index: number, by: unknown): Readings {
  const { pid, precise, approximate, anon, uid } = (reading ?? {}) as Partial<Readings>;
  const isReading = [pid, precise, approximate, anon].every((figure) => typeof figure === 'number');
  if (!isReading) throw invalidArgType(`readings[${index}]`, 'a reading of readRss() or scanRss()', reading);
  if (typeof by === 'string' && by !== 'name' && uid === undefined) {
    throw invalidArgType(`readings[${index}]`, `a reading made with identity: true, to group by '${by}'`, reading);
  }
  return reading as Readings;
}

function emptyGroup(group: string): RssGroup {
  return { group, processes: 0, precise: 0, approximate: 0, error: 0, anon: 0, swap: 0, pids: [] };
}

function groupOfOne(group: string, { pid, precise, approximate, anon, swap }: Readings): RssGroup {
  const error = Math.abs(approximate - precise);
  return { group, processes: 1, precise, approximate, error, anon, ...(swap !== undefined && { swap }), pids: [pid] };
}

/** `swap` is absent from the sum once it is absent from one part. */
function addGroup(sum: RssGroup, part: RssGroup): void {
  sum.processes += part.processes;
  sum.precise += part.precise;
  sum.approximate += part.approximate;
  sum.error += part.error;
  sum.anon += part.anon;
  if (part.swap === undefined) delete sum.swap;
  else if (sum.swap !== undefined) sum.swap += part.swap;
  for (const pid of part.pids) sum.pids.push(pid);
}

/** Adds up all but the first `top`, and a group that is called as their sum is. */
function withOther(groups: RssGroup[], top: number): RssGroup[] {
  if (groups.length <= top) return groups;
  const isFirst = (group: RssGroup, index: number) => index < top && group.group !== OTHER;
  const other = emptyGroup(OTHER);
  for (const [index, group] of groups.entries()) if (!isFirst(group, index)) addGroup(other, group);
  return [...groups.filter(isFirst), other];
}

/**
 * Adds up readings by what their processes have in common.
 *
 * @returns groups by falling `precise`, of equal ones by name; `other` is the last.
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, also for readings without the identity that `by` needs; RangeError
 *   `ERR_OUT_OF_RANGE`; whatever a function as `by` throws.
 */
export function groupReadings<Reading extends RssReading>(
  readings: Iterable<Reading>,
  options: GroupOptions<Reading>,
): RssGroup[] {
  const { by, top } = requireOptions(options, ['by', 'top']);
  const keyOf = typeof by === 'function' ? by : KEYS[requireOneOf(by, 'options.by', Object.keys(KEYS) as GroupKey[])];
  if (top !== undefined) requireInteger(top, 'options.top', { min: 1, max: 2 ** 32 - 1 });
  const groups = new Map<string, RssGroup>();
  let index = 0;
  for (const given of requireReadings<Reading>(readings)) {
    const reading = requireReading(given, index++, by);
    const key = keyOf(reading as Readings & Reading);
    if (key === null) continue;
    if (typeof key !== 'string') throw invalidArgType('the result of options.by', 'a string or null', key);
    const group = groups.get(key) ?? emptyGroup(key);
    groups.set(key, group);
    addGroup(group, groupOfOne(key, reading));
  }
  const sorted = [...groups.values()].sort((a, b) => b.precise - a.precise || (a.group < b.group ? -1 : 1));
  return top === undefined ? sorted : withOther(sorted, top);
}
