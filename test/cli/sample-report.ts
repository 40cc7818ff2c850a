import type { RunReport } from '../../lib/doctor/counter-run.js';
import type { DoctorReport } from '../../lib/doctor/report.js';

/** A run on `cpus` pinned threads, CPU 0 the fastest. */
export function sampleRun(cpus: number): RunReport {
  const threads = Array.from({ length: cpus }, (_, cpu) => {
    const nsPerAdd = 4 + cpu / 100;
    const adds = 123_456_799;
    return {
      cpu,
      startCpu: cpu,
      endCpu: cpu,
      adds,
      elapsedNs: adds * nsPerAdd,
      nsPerAdd,
      addsPerSecond: 1e9 / nsPerAdd,
    };
  });
  const totalAdds = threads.reduce((sum, { adds }) => sum + adds, 0);
  const approximate = totalAdds - cpus * 31;
  return {
    pinned: true,
    totalAdds,
    elapsedNs: 1.04e9,
    addsPerSecond: totalAdds / 1.04,
    migrations: 0,
    batchSize: 32,
    precise: totalAdds,
    approximate,
    documented: { min: approximate - 62, max: approximate + 64 },
    tight: { min: approximate, max: approximate + cpus * 31 },
    checks: { exact: true, documented: true, tight: true },
    ok: true,
    threads,
    jsNsPerAdd: 4.56,
  };
}

const NAMES = [
  'node',
  'Web Content',
  'a\u001b[31mred\u0007',
  'new\nline',
  '名前がとても長いプロセス',
  'x'.repeat(64),
  '',
];

export interface SampleOptions {
  cpus?: number;
  processes?: number;
}

/** A report of a machine with `cpus` CPUs and `processes` processes that differ, their names the nastiest there are. */
export function sampleReport({ cpus = 2, processes = 3 }: SampleOptions = {}): DoctorReport {
  const ids = Array.from({ length: cpus }, (_, cpu) => cpu);
  const differing = Array.from({ length: processes }, (_, at) => {
    const preciseBytes = 5e12 / (at + 1);
    const errorBytes = (at % 2 === 0 ? -1 : 1) * 4096 * 2 ** (30 - (at % 30));
    return {
      pid: 4_194_303 - at,
      name: NAMES[at % NAMES.length]!,
      approximateBytes: preciseBytes + errorBytes,
      preciseBytes,
      errorBytes,
    };
  });
  return {
    version: '1.2.3',
    engine: {
      name: 'wasm',
      reason: 'the fastest add from JavaScript',
      addonLoaded: true,
      addonReason: `loaded from /home/someone/${'a-long-folder-name/'.repeat(8)}percpu.node`,
      cpuSource: 'rseq',
      cpuSourceReason: '',
    },
    machine: {
      platform: 'linux',
      arch: 'x64',
      kernel: '6.18.0-1-cloud-amd64',
      node: 'v20.19.0',
      cpuModel: 'Intel(R) Xeon(R) Platinum 8480+ with a name that goes on and on and on and on',
      pageBytes: 4096,
      possible: ids,
      online: ids,
      allowed: ids.filter((cpu) => cpu % 2 === 0),
      nodes: 2,
      packages: 2,
      lastLevelCaches: null,
    },
    accounting: {
      model: 'flat-percpu',
      statmPrecise: true,
      batch: Math.max(32, 2 * cpus),
      worstCaseBytes: 3 * Math.max(32, 2 * cpus) * cpus * 4096,
      note: 'something that a probe could not find out, in a rather long sentence',
    },
    schemes: { flatBytes: 3 * cpus * (Math.max(32, 2 * cpus) - 1) * 4096, treeBytes: 3 * 87 * 2 ** 20 },
    monitors: [
      { name: 'process.memoryUsage()', version: 'v20.19.0', reads: '/proc/PID/stat', precise: false },
      { name: '@opentelemetry/host-metrics', version: '0.36.0', reads: '/proc/PID/stat', precise: false },
      { name: 'prom-client', version: '15.1.3', reads: '/proc/self/status', precise: true },
    ],
    failures: [],
    run: sampleRun(cpus),
    processes: {
      unavailable: '',
      hidden: '',
      examined: processes + 5,
      totalErrorBytes: differing.reduce((sum, { errorBytes }) => sum + Math.abs(errorBytes), 0),
      differing,
    },
  };
}
