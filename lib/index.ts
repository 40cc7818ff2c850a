import './node-version.js';

export {
  CounterArena,
  type CounterArenaOptions,
  type SharedArena,
} from './counter/arena.js';
export type { GrowableMemory, ShareableMemory } from './counter/arena-memory.js';
export {
  type Bounds,
  CounterTree,
  type CounterTreeOptions,
  type SharedCounter,
} from './counter/counter-tree.js';
export type { EngineName } from './counter/engine.js';
export { type CpuRun, type RunOnCpusOptions, runOnCpus } from './counter/run-on-cpus.js';
export { type Accuracy, type TreeShape, treeShape } from './counter/tree-shape.js';
export { getAffinity, setAffinity, withAffinity } from './cpu/affinity.js';
export { currentCpu } from './cpu/current-cpu.js';
export { PinnedWorker, type PinnedWorkerOptions } from './cpu/pinned-worker.js';
export type { CpuSource } from './cpu/thread-cpu.js';
export { type Topology, type TopologyCpu, type TopologyNode, topology } from './cpu/topology.js';
export { type ErrorCode, PercpuError, type SystemErrorDetails } from './errors.js';
export { type MemoryGroup, type MemoryScope, type MemoryScopeOptions, memoryScope } from './limits/memory-scope.js';
export type { OomPolicy } from './limits/oom-policy.js';
export {
  type PredictVictimOptions,
  predictVictim,
  type RankedProcess,
  type VictimPrediction,
} from './limits/predict-victim.js';
export type { Pressure, Psi } from './limits/pressure.js';
export { RssGuard, type RssGuardEvents, type RssGuardOptions } from './limits/rss-guard.js';
export { Mm, type MmCounter, type MmLeaks, type MmOptions, type RssStat, type SharedMm } from './mm/mm.js';
export { type OomPrecision, oomBadness, oomScore } from './oom/badness.js';
export type { OomMemory, OomTask, PageBounds } from './oom/memory.js';
export {
  type OomStrategy,
  type SelectVictimOptions,
  selectVictim,
  type VictimSelection,
} from './oom/select-victim.js';
export { type RssAccounting, rssAccounting } from './proc/accounting/accounting.js';
export type { AccountingModel } from './proc/accounting/model.js';
export { type GroupKey, type GroupOptions, groupReadings, type RssGroup } from './proc/groups.js';
export type { ProcessIdentity } from './proc/identity.js';
export type {
  DetailedReading,
  ProcessCpu,
  ReadingOptions,
  ReadingWith,
  ReadOptions,
  RssBreakdown,
  RssReading,
} from './proc/reading.js';
export { readRss, rss } from './proc/rss.js';
export { type RssScan, RssScanner, type RssScannerOptions, type ScanOptions, scanRss } from './proc/rss-scanner.js';
