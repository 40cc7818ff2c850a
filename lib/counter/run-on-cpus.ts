import { getSystemErrorName } from 'node:util';
import { getAffinity } from '../cpu/affinity.js';
import { requireCpus } from '../cpu/cpu-argument.js';
import { abortError, destroyedError, invalidArgType, outOfRange, systemError } from '../errors.js';
import { namedFigures } from '../native/named-figures.js';
import { requireNative } from '../native/native.js';
import { requireInteger, requireOptions, requireSafeInteger } from '../validate.js';
import { CounterTree } from './counter-tree.js';
import { type CounterInternals, counterInternals } from './internals.js';

export interface RunOnCpusOptions {
  /** The counter that the threads add to. */
  counter: CounterTree;
  /** Added by each iteration, a safe integer; default 1. */
  delta?: number;
  /** Adds of each thread, 1 … 2^53 - 1. */
  iterations: number;
  /** CPUs to run on; default: all CPUs of the calling thread's affinity. */
  cpus?: number[];
  /** Threads on each CPU, 1 … 1,024; default 1. */
  threadsPerCpu?: number;
  /** Ends the run early; what was added until then stays. */
  signal?: AbortSignal;
}

/** What one thread did. */
export interface CpuRun {
  /** The CPU it was pinned to. */
  cpu: number;
  /** The CPU it was on at its start and at its end; not `cpu` if the kernel moved it, as when the CPU goes offline. */
  startCpu: number;
  endCpu: number;
  /** Adds it made. */
  iterations: number;
  /** Nanoseconds from the common start to its end. */
  elapsedNs: number;
}

/** The figures that the addon lists for each thread, in their order: `PERCPU_RUN_ROW_FIELDS` of native/binding/run_row.h. */
export const RUN_FIELDS = ['cpu', 'startCpu', 'endCpu', 'iterations', 'elapsedNs'] as const satisfies (keyof CpuRun)[];

const MAX_THREADS_PER_CPU = 1024;
const MAX_THREADS = 65_536;

/**
 * Adds to a counter from native threads that start at the same moment, each pinned to its CPU. The event loop is not
 * blocked. Any number of runs can be active at once. A counter that is destroyed during a run keeps its memory until the run
 * ends.
 *
 * @returns one entry per thread, CPU by CPU.
 * @throws (rejects) PercpuError `EINVAL` that names a CPU which is offline or not allowed, `EAGAIN` if the system has no
 *   more threads, both with nothing added; `ABORT_ERR`, `ERR_DESTROYED`, `ERR_NATIVE_UNAVAILABLE`; TypeError
 *   `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 */
export async function runOnCpus(options: RunOnCpusOptions): Promise<CpuRun[]> {
  const {
    counter,
    delta = 1,
    iterations,
    cpus,
    threadsPerCpu = 1,
    signal,
  } = requireOptions(options, ['counter', 'delta', 'iterations', 'cpus', 'threadsPerCpu', 'signal']);
  if (!(counter instanceof CounterTree)) throw invalidArgType('options.counter', 'a CounterTree', counter);
  requireSafeInteger(delta, 'options.delta');
  const times = requireInteger(iterations, 'options.iterations', { min: 1, max: Number.MAX_SAFE_INTEGER });
  requireInteger(threadsPerCpu, 'options.threadsPerCpu', { min: 1, max: MAX_THREADS_PER_CPU });
  if (cpus !== undefined && !Array.isArray(cpus)) throw invalidArgType('options.cpus', 'an array of CPU numbers', cpus);
  // Before the system is asked for the affinity: without the addon this error comes first.
  requireNative('runOnCpus()');
  const chosen = cpus === undefined ? getAffinity() : requireCpus(cpus, 'options.cpus');
  if (chosen.length * threadsPerCpu > MAX_THREADS) {
    throw outOfRange('options.threadsPerCpu', `at most ${MAX_THREADS} threads in all`, threadsPerCpu);
  }
  return runThreads({
    counter: counterInternals(counter),
    strategy: 'tree',
    delta,
    iterations: times,
    cpus: Uint32Array.from(chosen.flatMap((cpu) => Array<number>(threadsPerCpu).fill(cpu))),
    signal,
  });
}

/** A run with checked arguments; benchmarks call it with strategies that need no counter. */
interface ThreadsToRun {
  counter?: CounterInternals;
  strategy: string;
  delta: number;
  iterations: number;
  /** One entry per thread. */
  cpus: Uint32Array;
  signal?: AbortSignal | undefined;
}

export async function runThreads(run: ThreadsToRun): Promise<CpuRun[]> {
  const { counter, strategy, delta, iterations, cpus, signal } = run;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an AbortSignal', signal);
  }
  const addon = requireNative('runOnCpus()');
  if (signal?.aborted) throw abortError(signal);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const onAbort = () => Atomics.store(stop, 0, 1);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const threads = await new Promise<Float64Array>((resolve, reject) => {
      const refused = addon.startRun(
        counter?.arena.memory.words,
        counter?.descriptor ?? 0,
        counter?.generation ?? 0,
        strategy,
        delta,
        iterations,
        cpus,
        stop,
        (errno, syscall, failedCpu, rows) =>
          errno === 0 ? resolve(rows) : reject(threadError(errno, syscall, failedCpu)),
      );
      if (refused > 0) reject(destroyedError());
      if (refused < 0) reject(threadError(-refused, 'pthread_create', -1));
    });
    if (signal?.aborted) throw abortError(signal);
    return toRuns(threads);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function threadError(errno: number, syscall: string, cpu: number): Error {
  const code = getSystemErrorName(-errno);
  const message =
    syscall === 'sched_setaffinity' ? `CPU ${cpu} is offline or not allowed` : 'the system has no more threads';
  return systemError(code, message, { syscall, errno: -errno });
}

function toRuns(figures: Float64Array): CpuRun[] {
  const threads = figures.length / RUN_FIELDS.length;
  return Array.from({ length: threads }, (_, thread) => namedFigures(RUN_FIELDS, figures, thread * RUN_FIELDS.length));
}
