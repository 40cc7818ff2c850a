import { invalidArgType } from '../errors.js';
import {
  adjUnitPages,
  approximateBadness,
  badnessBounds,
  isEligible,
  preciseBadness,
  scoreOfBadness,
} from '../oom/badness.js';
import type { Preference } from '../oom/candidates.js';
import type { OomTask, PageBounds } from '../oom/memory.js';
import { selectPreferred, type VictimSelection } from '../oom/select-victim.js';
import { listPids } from '../proc/files/pid-list.js';
import { type ProcessFiles, Want } from '../proc/files/process-row.js';
import { type MachineMemory, machineMemory } from '../proc/machine-memory.js';
import { observerPids } from '../proc/observer.js';
import { openTreeSoon, type ProcTree } from '../proc/proc-tree.js';
import { ProcessGone, ProcessMemory } from '../proc/process-memory.js';
import { hasMemory, type RssReading, toReading } from '../proc/reading.js';
import { scanTree } from '../proc/rss-scanner.js';
import { type Visibility, visibility } from '../proc/visibility.js';
import { requireOptions } from '../validate.js';
import { cgroupTotalPages, groupProcesses, type MemoryCgroup } from './cgroup.js';
import { chainOfProcess, type GroupChain } from './hierarchy.js';
import { chainOf, type DetailedScope, type MemoryGroup, readScope, requireScopeOf } from './memory-scope.js';
import { type OomPolicy, readOomPolicy } from './oom-policy.js';

export interface PredictVictimOptions {
  /** The limits that bind this process: who is killed when the first of them is reached. */
  pid?: number | 'self';
  /**
   * The limits that bind this memory control group, version 1 or 2: its directory, or its name as /proc/PID/cgroup prints it.
   * Without it and without `pid` the machine.
   */
  cgroup?: string;
  /** A proc tree to read instead of /proc. */
  root?: string;
  /** Names of processes to kill rather than others, and rather not: 300 points of oom_score more or less, as earlyoom(1). */
  prefer?: RegExp;
  avoid?: RegExp;
}

/** One process that can be killed. Sizes in pages. */
export interface RankedProcess {
  pid: number;
  name: string;
  /** Precise where that is known, approximate for those that cannot win anyway; with `prefer` and `avoid`. */
  badness: number;
  /** Where the precise badness must lie by the approximate figures alone. */
  min: number;
  max: number;
  /** The kernel's own /proc/PID/oom_score, on its scale of 0 … 2,000, against the whole machine's memory. */
  oomScore: number;
  /** -1000 … 1000. */
  oomScoreAdj: number;
  /** Whether the process exists because of this look: the caller, and `npx` and the shell that started it. */
  observer: boolean;
}

export interface VictimPrediction {
  /** The first of the ranking; null where no process can be killed. With another `policy` than 'badness' it may be spared. */
  victim: RssReading | null;
  /** By falling badness, of two equal ones the higher pid first. */
  ranking: RankedProcess[];
  /** The memory that is shared out, in pages: RAM and swap of the machine, or the scope's limit and what it may swap. */
  totalPages: number;
  /** Processes whose precise figure the choice needed; only where statm is not precise does that cost anything. */
  preciseSums: number;
  /**
   * What runs out first: the group with the least headroom, of the group asked for, those above it, and the machine. All
   * processes in it and in the groups below it compete.
   */
  scope: MemoryGroup;
  /**
   * Whether the kernel takes this victim. False where
   * - another process can have as high a precise badness: of equal ones the kernel takes the later in its own list, which
   *   /proc does not show; or where a precise figure that is needed is refused;
   * - the scope has processes that this caller cannot see;
   * - groups above the last one seen may have less headroom, or the headrooms of two groups are closer than what changes during
   *   one look;
   * - `policy` is another one than 'badness', or cannot be read, or memory.oom_control of version 1 forbids to kill.
   */
  certain: boolean;
  /** Processes of the scope that this caller cannot see; at least 1 where their number is not known. */
  unseen: number;
  /** Why there are some; '' for none. */
  unseenReason: string;
  /** Whom the kernel kills: the highest badness, the process that asked for memory, or none, since it panics. */
  policy: OomPolicy;
  /** Directory of the group that is killed as a whole along with the victim, by memory.oom.group; null for none. */
  killsGroup: string | null;
  /**
   * Whom a kernel kills that goes by its approximate counters, as 6.2 and later do until their OOM killer was fixed in 2026;
   * null for none.
   */
  approximateVictim: number | null;
}

/** 300 points on a scale where all of memory is worth 2/3 x 1,000. */
const PREFERENCE = 0.45;

/**
 * Pages that each CPU charges to a group in advance, so that its usage is ahead of what its processes hold. Source:
 * MEMCG_CHARGE_BATCH of include/linux/memcontrol.h.
 */
const CHARGE_BATCH = 64;

function requirePattern(pattern: unknown, argument: string): RegExp | undefined {
  if (pattern === undefined) return undefined;
  if (!(pattern instanceof RegExp)) throw invalidArgType(argument, 'a RegExp', pattern);
  // A global or sticky one remembers where it stopped, and would skip every other name.
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}

interface Task extends OomTask {
  /** As `files.pid`, but for the first process of a pid namespace: 1 stands for the machine's init. */
  pid: number;
  mm: ProcessMemory | null;
  files: ProcessFiles;
  /** What `prefer` and `avoid` add to its badness. */
  preferredPages: number;
}

/** A number that no process has, for the first process of a pid namespace. */
const FIRST_OF_NAMESPACE = 0;

type EligibleTask = Task & { mm: ProcessMemory };

function isEligibleTask(task: Task): task is EligibleTask {
  return isEligible(task);
}

function adjOf({ oomScoreAdj }: ProcessFiles): number {
  return Math.max(-1000, Math.min(1000, oomScoreAdj));
}

/** The least that /proc/PID/oom_score can be for an eligible process. */
function leastScore(files: ProcessFiles, machinePages: number): number {
  return scoreOfBadness(adjOf(files) * adjUnitPages(machinePages), machinePages);
}

/**
 * Tells the processes that the kernel scores 0 though they would score more: they share their parent's memory inside vfork, or
 * have given back their own. Kernels before 5.9 have another scale, on which most processes score 0; there none is told.
 *
 * Source: proc_oom_score() of fs/proc/base.c, oom_badness() of mm/oom_kill.c.
 */
function scoredZero(rows: ProcessFiles[], own: ProcessFiles | undefined, machinePages: number): Set<ProcessFiles> {
  const competing = (own ? [...rows, own] : rows).filter(
    (files) => hasMemory(files) && files.pid !== 1 && leastScore(files, machinePages) > 0,
  );
  const onScale = competing.filter((files) => files.oomScore >= leastScore(files, machinePages));
  if (2 * onScale.length < competing.length) return new Set();
  return new Set(competing.filter(({ oomScore }) => oomScore === 0));
}

/** Selects again without the processes that end during the selection: a precise sum may be a file read later. */
function selectAmongRemaining(
  tasks: Task[],
  totalPages: number,
  preference: Preference,
): { remaining: Task[]; selection: VictimSelection } {
  let remaining = tasks;
  for (;;) {
    try {
      return { remaining, selection: selectPreferred(remaining, { totalPages }, preference) };
    } catch (error) {
      if (!(error instanceof ProcessGone)) throw error;
      remaining = remaining.filter(({ files }) => files.pid !== error.pid);
    }
  }
}

function preferenceOf(tasks: Task[]): Preference {
  const pages = new Map<OomTask, number>(tasks.map((task) => [task, task.preferredPages]));
  return (task) => pages.get(task) ?? 0;
}

/** Where `rankPages` must lie once the process is summed. */
function rankBounds(task: EligibleTask, adjUnit: number): PageBounds {
  const { min, max } = badnessBounds(task, adjUnit);
  return { min: min + task.preferredPages, max: max + task.preferredPages };
}

/** Badness and preference: what the ranking goes by. */
function rankPages(task: EligibleTask, adjUnit: number): number {
  const badness = task.mm.isSummed ? preciseBadness(task, adjUnit) : approximateBadness(task, adjUnit);
  return badness + task.preferredPages;
}

function rank(tasks: EligibleTask[], adjUnit: number, root: string): RankedProcess[] {
  const observers = observerPids(root);
  const ranking = tasks.map((task) => ({
    pid: task.files.pid,
    name: task.files.name,
    badness: rankPages(task, adjUnit),
    ...rankBounds(task, adjUnit),
    oomScore: task.files.oomScore,
    oomScoreAdj: adjOf(task.files),
    observer: observers.has(task.files.pid),
  }));
  return ranking.sort((a, b) => b.badness - a.badness || b.pid - a.pid);
}

/** Whether another process may rank as high as the victim by its precise badness. */
function hasRival(tasks: EligibleTask[], victim: EligibleTask | undefined, adjUnit: number): boolean {
  if (!victim) return false;
  const highest = preciseBadness(victim, adjUnit) + victim.preferredPages;
  return tasks.some((task) => {
    if (task === victim) return false;
    const most = task.mm.isSummed ? rankPages(task, adjUnit) : rankBounds(task, adjUnit).max;
    return most >= highest;
  });
}

/** Which processes compete, and how many of them could not be read. */
interface Competitors {
  rows: ProcessFiles[];
  unseen: number;
  reason: string;
}

async function readCompetitors(
  tree: ProcTree,
  group: MemoryCgroup | undefined,
  { isRestricted, reason, hasOwnPids }: Visibility,
): Promise<Competitors> {
  const before = group ? groupProcesses(group.path) : { pids: listPids(tree.root), hidden: 0 };
  if (group && !hasOwnPids) {
    const differ = `'${tree.root}' is of another pid namespace: a group's processes have other numbers there`;
    return { rows: [], unseen: Math.max(1, before.pids.length + before.hidden), reason: differ };
  }
  const rows = await scanTree(tree, { want: Want.OOM, ...(group && { pids: before.pids }) });
  const after = group ? groupProcesses(group.path) : { pids: listPids(tree.root), hidden: 0 };
  // Who is listed before and after and could not be read in between is there, and is hidden.
  const read = new Set(rows.map(({ pid }) => pid));
  const listed = new Set(after.pids);
  const refused = before.pids.filter((pid) => listed.has(pid) && !read.has(pid)).length;
  const hidden = Math.max(before.hidden, after.hidden);
  if (!group && isRestricted) return { rows, unseen: Math.max(1, refused), reason };
  const unseen = refused + hidden;
  if (unseen === 0) return { rows, unseen, reason: '' };
  if (isRestricted) return { rows, unseen, reason };
  const files = 'their files, or the list of a group, cannot be read';
  return {
    rows,
    unseen,
    reason: hidden > 0 && refused === 0 ? 'they are in another pid namespace or an unreadable group' : files,
  };
}

function ownFiles(tree: ProcTree): ProcessFiles | undefined {
  try {
    return tree.reader.readOne(tree.root, 'self', Want.OOM);
  } catch {
    return undefined;
  }
}

/**
 * Whether it is open which group runs out first: by one of the measures of `roomsOf`, another group is ahead of the limiting
 * one, or behind it by no more than what changes during a look and what CPUs charge in advance.
 */
function isScopeOpen(before: DetailedScope, after: DetailedScope, tree: ProcTree, machine: MachineMemory): boolean {
  if (before.isCut || after.isCut) return true;
  if (before.limiting.path !== after.limiting.path) return true;
  if (after.cgroups.length === 0) return false;
  const roomAfter = new Map(after.groups.map(({ path, headroom }) => [path, headroom]));
  const changes = before.groups.map(({ path, headroom }) =>
    Math.abs((headroom ?? 0) - (roomAfter.get(path) ?? headroom ?? 0)),
  );
  const uncertainty = Math.max(...changes) + CHARGE_BATCH * tree.cpus.online * tree.pageBytes;
  const rooms = roomsOf(after, machine);
  const limiting = rooms.find(({ path }) => path === after.limiting.path);
  if (!limiting) return false;
  return rooms.some(
    ({ path, room }) =>
      path !== limiting.path && room.some((bytes, measure) => bytes - limiting.room[measure]! <= uncertainty),
  );
}

/**
 * What each limited group may still take: by its headroom; with all that the kernel takes back before it kills; and with
 * what may be swapped out besides. Where these disagree on the order of two groups, either may run out first.
 */
function roomsOf(
  { groups, cgroups }: DetailedScope,
  machine: MachineMemory,
): { path: string | null; room: number[] }[] {
  return groups.flatMap(({ path, headroom }) => {
    if (headroom === null) return [];
    const group = cgroups.find((cgroup) => cgroup.path === path);
    if (!group) return [{ path, room: [headroom, headroom, headroom + machine.swapFreeBytes] }];
    const reclaimed = headroom + group.reclaimableBytes;
    const maySwap = (group.swappiness ?? machine.swappiness) > 0;
    const swapLeft = Math.max(0, (group.swapLimitBytes ?? Number.POSITIVE_INFINITY) - group.swapUsageBytes);
    return [
      { path, room: [headroom, reclaimed, reclaimed + (maySwap ? Math.min(swapLeft, machine.swapFreeBytes) : 0)] },
    ];
  });
}

/** The highest group of those from the victim's own up to the scope that is killed as a whole. */
function groupKilledWith(victim: ProcessFiles | undefined, scope: DetailedScope, tree: ProcTree): string | null {
  if (!victim) return null;
  let killed: string | null = null;
  for (const { path, oomGroup } of chainOfProcess(tree.root, victim.pid).groups) {
    if (oomGroup) killed = path;
    if (path === scope.limiting.path) break;
  }
  return killed;
}

const MACHINE_ALONE: GroupChain = { groups: [], isCut: false };

/**
 * Whom the OOM killer would take now: on this machine, or where a process's or a control group's memory runs out. It only
 * looks; this package kills nothing.
 *
 * The first pass goes by the approximate figures and their bounds, and precise ones are read only for those that can still
 * win. On kernels whose own OOM killer goes by approximate figures, `approximateVictim` is whom they would take.
 *
 * What /proc does not tell: a task that asked to be killed first (swapoff, KSM), an earlier victim that has not exited yet,
 * limits by cpuset or memory policy. Pid 1 is taken for init, unless `root` shows another pid namespace than the first.
 *
 * Sources: mm/oom_kill.c, mm/memcontrol.c; proc_pid_oom_score(5), proc_pid_oom_score_adj(5);
 * Documentation/admin-guide/sysctl/vm.rst; earlyoom(1) for `prefer` and `avoid`.
 *
 * @throws (rejects) as {@link memoryScope}; TypeError `ERR_INVALID_ARG_TYPE` for `prefer` and `avoid`; PercpuError `ENOENT`,
 *   `ENOTDIR`, `EACCES` for a root that is none.
 */
export async function predictVictim(options?: PredictVictimOptions): Promise<VictimPrediction> {
  const { pid, cgroup, root, ...patterns } = requireOptions(options, ['pid', 'cgroup', 'root', 'prefer', 'avoid']);
  const of = requireScopeOf(pid, cgroup);
  const prefer = requirePattern(patterns.prefer, 'options.prefer');
  const avoid = requirePattern(patterns.avoid, 'options.avoid');
  const tree = await openTreeSoon(root, undefined);
  const look = () => readScope(of ? chainOf(of, tree.root) : MACHINE_ALONE, tree.root);

  const before = look();
  const group = before.cgroups.find(({ path }) => path === before.limiting.path);
  const seen = visibility(tree.root);
  const { rows, unseen, reason } = await readCompetitors(tree, group, seen);
  const machine = machineMemory(tree.root);
  const machinePages = Math.max(1, Math.floor((machine.ramBytes + machine.swapBytes) / tree.pageBytes));
  const totalPages = group ? cgroupTotalPages(group, machine, tree.pageBytes) : machinePages;
  const { policy, isKnown } = readOomPolicy(tree.root, group !== undefined);

  const step = Math.round(PREFERENCE * totalPages);
  const preferredPages = (name: string) => (prefer?.test(name) ? step : 0) - (avoid?.test(name) ? step : 0);
  const ineligible = scoredZero(rows, ownFiles(tree), machinePages);
  const tasks = rows.map(
    (files): Task => ({
      pid: files.pid === 1 && !seen.hasInit ? FIRST_OF_NAMESPACE : files.pid,
      name: files.name,
      files,
      // Without memory there is nothing to gain: as a task that has given its own back.
      mm: hasMemory(files) ? new ProcessMemory(files, tree) : null,
      preferredPages: preferredPages(files.name),
      oomScoreAdj: adjOf(files),
      kernelThread: files.kernelThread,
      inVfork: ineligible.has(files),
    }),
  );
  const preference = preferenceOf(tasks);
  const { remaining, selection } = selectAmongRemaining(tasks, totalPages, preference);
  const eligible = remaining.filter(isEligibleTask);
  const adjUnit = adjUnitPages(totalPages);
  const victim = eligible.find((task) => task === selection.victim);
  const approximate = selectPreferred(remaining, { totalPages, strategy: 'approximate' }, preference).victim;
  const isOpen =
    eligible.some(({ mm }) => mm.refused) ||
    unseen > 0 ||
    hasRival(eligible, victim, adjUnit) ||
    isScopeOpen(before, look(), tree, machine) ||
    policy !== 'badness' ||
    !isKnown ||
    group?.killDisabled === true;
  return {
    victim: victim ? toReading(victim.mm.files, tree) : null,
    ranking: rank(eligible, adjUnit, tree.root),
    totalPages,
    preciseSums: selection.preciseSums,
    scope: before.limiting,
    certain: selection.certain && !isOpen,
    unseen,
    unseenReason: reason,
    policy,
    killsGroup: groupKilledWith(victim?.files, before, tree),
    approximateVictim: remaining.find((task) => task === approximate)?.files.pid ?? null,
  };
}
