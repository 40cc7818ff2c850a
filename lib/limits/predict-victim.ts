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
import { type DetailedReading, hasMemory, toDetailedReading } from '../proc/reading.js';
import { scanTree } from '../proc/rss-scanner.js';
import { type Visibility, visibility } from '../proc/visibility.js';
import { requireOptions } from '../validate.js';
import { cgroupTotalPages, groupProcesses, type MemoryCgroup } from './cgroup.js';
import { chainOfProcess, type GroupChain } from './hierarchy.js';
import { chainOf, type DetailedScope, type MemoryGroup, readScope, requireScopeOf } from './memory-scope.js';
import { type OomPolicy, readOomPolicy } from './oom-policy.js';

export interface PredictVictimOptions {
  /** Predicts the victim when the first limit that binds this process is reached. */
  pid?: number | 'self';
  /**
   * The same for a memory control group of version 1 or 2: its directory, or its name as /proc/PID/cgroup prints it. Without
   * `cgroup` and `pid`, for the machine.
   */
  cgroup?: string;
  /** A proc tree to read instead of /proc. */
  root?: string;
  /** Processes with these names get 300 points of oom_score more, as with earlyoom(1). */
  prefer?: RegExp;
  /** Processes with these names get 300 points less. */
  avoid?: RegExp;
}

/** One process that can be killed. Sizes in pages. */
export interface RankedProcess {
  pid: number;
  name: string;
  /** Precise if that was read, approximate for processes that cannot win; includes `prefer` and `avoid`. */
  badness: number;
  /** The range of the precise badness, by the approximate figures alone. */
  min: number;
  max: number;
  /** The kernel's /proc/PID/oom_score, 0 … 2,000, relative to the whole machine's memory. */
  oomScore: number;
  /** -1000 … 1000. */
  oomScoreAdj: number;
  /** Whether the process runs only for this call: the caller, and `npx` and the shell that started it. */
  observer: boolean;
}

export interface VictimPrediction {
  /** The first of the ranking; null if no process can be killed. With another `policy` than 'badness' it may be spared. */
  victim: DetailedReading | null;
  /** By falling badness; of equal ones the higher pid first. */
  ranking: RankedProcess[];
  /** The memory that runs out, in pages: RAM and swap of the machine, or the scope's limit and its swap. */
  totalPages: number;
  /** Processes whose precise figure the choice needed: each is an expensive read if statm is not precise. */
  preciseSums: number;
  /**
   * What runs out first: of the group asked for, those above it and the machine, the one with the least headroom. All
   * processes in it and in the groups below it compete.
   */
  scope: MemoryGroup;
  /**
   * Whether the kernel takes this victim. False if
   * - another process can have as high a precise badness (of equal ones the kernel takes the later in its own list, which
   *   /proc does not show), or a needed precise figure is refused;
   * - the scope has processes that this caller cannot see;
   * - groups above the last visible one may have less headroom, or the headrooms of two groups differ by less than they change
   *   during the prediction;
   * - `policy` is not 'badness' or cannot be read, or memory.oom_control of version 1 disables killing.
   */
  certain: boolean;
  /** Number of processes of the scope that this caller cannot see; at least 1 if it is not known. */
  unseen: number;
  /** Whether `unseen` is their number as of this look; false where there may be more. */
  unseenIsExact: boolean;
  /** Why it cannot see them; '' for none. */
  unseenReason: string;
  policy: OomPolicy;
  /** Directory of the group that is killed together with the victim (memory.oom.group); null for none. */
  killsGroup: string | null;
  /**
   * Pid of the victim of a kernel that uses its approximate counters, as Linux 6.2 and later do until their OOM killer was
   * fixed in 2026; null for none.
   */
  approximateVictim: number | null;
}

/** 300 points, as a share of memory: all of it is 2/3 x 1,000 points. */
const PREFERENCE = 0.45;

/**
 * Pages that each CPU charges to a group in advance, so a group's usage can exceed what its processes hold. Source:
 * MEMCG_CHARGE_BATCH of include/linux/memcontrol.h.
 */
const CHARGE_BATCH = 64;

function requirePattern(pattern: unknown, argument: string): RegExp | undefined {
  if (pattern === undefined) return undefined;
  if (!(pattern instanceof RegExp)) throw invalidArgType(argument, 'a RegExp', pattern);
  // A global or sticky expression remembers its position, and would skip names.
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}

interface Task extends OomTask {
  /** As `files.pid`, but for the first process of a pid namespace: 1 stands for the machine's init. */
  pid: number;
  mm: ProcessMemory | null;
  files: ProcessFiles;
  preferredPages: number;
}

/** Stands for pid 1 of another pid namespace; no process has this number. */
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
 * The processes that the kernel scores 0 though their badness is higher: they share their parent's memory inside vfork, or
 * have freed their own. Empty on kernels before 5.9, on whose scale most processes score 0.
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

interface Competitors {
  rows: ProcessFiles[];
  unseen: number;
  isExact: boolean;
  reason: string;
}

async function readCompetitors(
  tree: ProcTree,
  group: MemoryCgroup | undefined,
  { isRestricted, listsAll, reason, hasInit, hasOwnPids }: Visibility,
): Promise<Competitors> {
  const list = () =>
    group ? groupProcesses(group.path) : { pids: listPids(tree.root), hidden: 0, isComplete: listsAll };
  const before = list();
  if (group && !hasOwnPids) {
    const differ = `'${tree.root}' is of another pid namespace: a group's processes have other numbers there`;
    const listed = before.pids.length + before.hidden;
    const isExact = before.isComplete && group.version === 2 && listed > 0;
    return { rows: [], unseen: Math.max(1, listed), isExact, reason: differ };
  }
  const rows = await scanTree(tree, { want: Want.STATUS | Want.OOM, ...(group && { pids: before.pids }) });
  const after = list();
  // A process that is listed before and after, but could not be read in between, is hidden.
  const read = new Set(rows.map(({ pid }) => pid));
  const listed = new Set(after.pids);
  const refused = before.pids.filter((pid) => listed.has(pid) && !read.has(pid)).length;
  const hidden = Math.max(before.hidden, after.hidden);
  // Version 1 leaves the processes outside of the reader's pid namespace out of its lists; version 2 lists each as 0.
  const leavesOut = group?.version === 1 && !hasInit;
  const isExact = before.isComplete && after.isComplete && !leavesOut;
  const unseen = Math.max(refused + hidden, isExact ? 0 : 1);
  if (unseen === 0) return { rows, unseen, isExact, reason: '' };
  if (isRestricted) return { rows, unseen, isExact, reason };
  const files = 'their files, or the list of a group, cannot be read';
  return {
    rows,
    unseen,
    isExact,
    reason: hidden > 0 && refused === 0 ? 'they are in another pid namespace or an unreadable group' : files,
  };
}

function ownFiles(tree: ProcTree): ProcessFiles | undefined {
  try {
    return tree.reader.readOne(tree.root, 'self', Want.STATUS | Want.OOM);
  } catch {
    return undefined;
  }
}

/**
 * Whether another group may run out first. By one measure of `roomsOf`, it has less room than the limiting group, or exceeds
 * it by at most what changes during the prediction and what CPUs charge in advance.
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
 * The room of each limited group by three measures: its headroom; with all that the kernel reclaims before it kills; and with
 * swap in addition. If these disagree on the order of two groups, either may run out first.
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
 * Predicts the OOM killer's victim: on this machine, or when the memory of a process or a control group runs out. It only
 * reads; this package kills nothing.
 *
 * The first pass uses the approximate figures and their bounds. Precise figures are read only for processes that can still
 * win. `approximateVictim` is the victim of kernels whose OOM killer uses approximate figures.
 *
 * /proc does not show: a task that asked to be killed first (swapoff, KSM), an earlier victim that has not exited yet, limits
 * by cpuset or memory policy. Pid 1 counts as init, unless `root` shows another pid namespace than the first.
 *
 * Sources: mm/oom_kill.c, mm/memcontrol.c; proc_pid_oom_score(5), proc_pid_oom_score_adj(5);
 * Documentation/admin-guide/sysctl/vm.rst; earlyoom(1) for `prefer` and `avoid`.
 *
 * @throws (rejects) as {@link memoryScope}; TypeError `ERR_INVALID_ARG_TYPE` for `prefer` and `avoid`; PercpuError `ENOENT`,
 *   `ENOTDIR`, `EACCES` if `root` is not a readable directory.
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
  const { rows, unseen, isExact, reason } = await readCompetitors(tree, group, seen);
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
      // Killing a process without memory frees nothing.
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
    victim: victim ? toDetailedReading(victim.mm.files, tree) : null,
    ranking: rank(eligible, adjUnit, tree.root),
    totalPages,
    preciseSums: selection.preciseSums,
    scope: before.limiting,
    certain: selection.certain && !isOpen,
    unseen,
    unseenIsExact: isExact,
    unseenReason: reason,
    policy,
    killsGroup: groupKilledWith(victim?.files, before, tree),
    approximateVictim: remaining.find((task) => task === approximate)?.files.pid ?? null,
  };
}
