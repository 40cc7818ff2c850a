import { invalidArgType } from '../errors.js';
import { adjUnitPages, approximateBadness, badnessBounds, isEligible, preciseBadness } from '../oom/badness.js';
import type { OomTask } from '../oom/memory.js';
import { selectVictim, type VictimSelection } from '../oom/select-victim.js';
import { requireOptions } from '../validate.js';
import { cgroupPids, cgroupTotalPages, readCgroup } from './cgroup.js';
import { machineMemory } from './machine-memory.js';
import { openTree, type ProcTree } from './proc-tree.js';
import { type ProcessFiles, Want } from './process-files.js';
import { ProcessGone, ProcessMemory } from './process-memory.js';
import { hasMemory, type RssReading, toReading } from './rss.js';
import { scanTree } from './rss-scanner.js';

export interface PredictVictimOptions {
  /** Directory of a memory control group, version 1 or 2: who is killed when it reaches its limit. Without it the machine. */
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
}

export interface VictimPrediction {
  /** null where nobody can be killed. */
  victim: RssReading | null;
  /** By falling badness, of two equal ones the higher pid first, as the kernel chooses. */
  ranking: RankedProcess[];
  /** The memory that is shared out, in pages: RAM and swap, or what the group may have of both. */
  totalPages: number;
  /** Processes whose precise figure the choice needed; only where statm is not precise does that cost anything. */
  preciseSums: number;
  /** Whether no other process can have a higher precise badness, and every precise figure wanted could be had. */
  certain: boolean;
  /**
   * Whom a kernel kills that goes by its approximate counters, as 6.2 and later do until their OOM killer was fixed in 2026;
   * null for nobody.
   */
  approximateVictim: number | null;
}

/** 300 points on a scale where all of memory is worth 2/3 x 1,000. */
const PREFERENCE = 0.45;

function requirePattern(pattern: unknown, argument: string): RegExp | undefined {
  if (pattern === undefined) return undefined;
  if (!(pattern instanceof RegExp)) throw invalidArgType(argument, 'a RegExp', pattern);
  // A global or sticky one remembers where it stopped, and would skip every other name.
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}

type Task = OomTask & { mm: ProcessMemory };

function toTask(files: ProcessFiles, tree: ProcTree, shiftPages: number): Task {
  return {
    pid: files.pid,
    name: files.name,
    // Without memory there is nothing to gain: as a task that has given its own back.
    mm: hasMemory(files) ? new ProcessMemory(files, tree, shiftPages) : (null as unknown as ProcessMemory),
    oomScoreAdj: Math.max(-1000, Math.min(1000, files.oomScoreAdj)),
    kernelThread: files.kernelThread,
  };
}

/** Selects again without those that end meanwhile: a precise sum may be a file read later. */
function selectAmongLiving(tasks: Task[], totalPages: number): { living: Task[]; selection: VictimSelection } {
  let living = tasks;
  for (;;) {
    try {
      return { living, selection: selectVictim(living, { totalPages }) };
    } catch (error) {
      if (!(error instanceof ProcessGone)) throw error;
      living = living.filter(({ pid }) => pid !== error.pid);
    }
  }
}

function rank(tasks: Task[], oomScores: Map<number, number>, adjUnit: number): RankedProcess[] {
  const ranking = tasks.map((task) => {
    const { min, max } = badnessBounds(task, adjUnit);
    return {
      pid: task.pid,
      name: task.name!,
      badness: task.mm.isSummed ? preciseBadness(task, adjUnit) : approximateBadness(task, adjUnit),
      min,
      max,
      oomScore: oomScores.get(task.pid)!,
      oomScoreAdj: task.oomScoreAdj!,
    };
  });
  return ranking.sort((a, b) => b.badness - a.badness || b.pid - a.pid);
}

/**
 * Whom the OOM killer would take now: on this machine, or in a control group that reaches its limit. It only looks; this
 * package kills nobody.
 *
 * The first pass goes by the approximate figures and their bounds, and precise ones are read only for those that can still
 * win. On kernels whose own OOM killer goes by approximate figures, `approximateVictim` is whom they would take.
 *
 * What /proc does not tell: a task inside vfork, one that asked to be killed first (swapoff, KSM), an earlier victim that has
 * not exited yet, limits by cpuset or memory policy, `memory.oom.group`. Pid 1 is taken for init.
 *
 * Sources: mm/oom_kill.c; proc_pid_oom_score(5), proc_pid_oom_score_adj(5); earlyoom(1) for `prefer` and `avoid`.
 *
 * @throws (rejects) TypeError `ERR_INVALID_ARG_TYPE`; PercpuError `ENOENT`, `ENOTDIR`, `EACCES` for a root or a group that is
 *   none, `EINVAL` for a directory that is no memory control group, `EBADMSG` for a limit that is none, with `path`;
 *   `ERR_UNSUPPORTED_PLATFORM` away from Linux.
 */
export async function predictVictim(options?: PredictVictimOptions): Promise<VictimPrediction> {
  const { cgroup, root, ...patterns } = requireOptions(options, ['cgroup', 'root', 'prefer', 'avoid']);
  if (cgroup !== undefined && typeof cgroup !== 'string') throw invalidArgType('options.cgroup', 'a string', cgroup);
  const prefer = requirePattern(patterns.prefer, 'options.prefer');
  const avoid = requirePattern(patterns.avoid, 'options.avoid');
  const tree = openTree(root);
  const machine = machineMemory(tree.root);
  const group = cgroup === undefined ? undefined : readCgroup(cgroup);
  const whole = Math.max(1, Math.floor((machine.ramBytes + machine.swapBytes) / tree.pageBytes));
  const totalPages = group ? cgroupTotalPages(group, machine, tree.pageBytes) : whole;
  const rows = await scanTree(tree, { want: Want.OOM, pids: group && cgroupPids(group.path) });

  const preference = Math.round(PREFERENCE * totalPages);
  const shift = (name: string) => (prefer?.test(name) ? preference : 0) - (avoid?.test(name) ? preference : 0);
  const tasks = rows.map((files) => toTask(files, tree, shift(files.name)));
  const { living, selection } = selectAmongLiving(tasks, totalPages);
  const eligible = living.filter(isEligible);
  const { victim, preciseSums, certain } = selection;
  return {
    victim: victim && toReading((victim as Task).mm.files, tree),
    ranking: rank(eligible, new Map(rows.map(({ pid, oomScore }) => [pid, oomScore])), adjUnitPages(totalPages)),
    totalPages,
    preciseSums,
    certain: certain && !eligible.some(({ mm }) => mm.refused),
    approximateVictim: selectVictim(living, { totalPages, strategy: 'approximate' }).victim?.pid ?? null,
  };
}
