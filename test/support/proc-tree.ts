import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Command names that a parser may stumble over. */
export const AWKWARD_NAMES = [
  '',
  ' ',
  ')',
  '(',
  ') R 1 (',
  '((sd-pam))',
  'a b  c',
  'two\nlines',
  ') Z 1 1 1 0 -1',
  ') Z 1 1 1 0 -1 4194304 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 ',
  'Web Content',
  'näme 名前',
  '\ufffd',
  '\ufeffmarked',
  '\u001b[2J',
  'kworker/u8:3-events_unbound',
];

/** What a made-up process says in its files; sizes in pages of 4 KiB where nothing else is said. */
export interface FakeProcess {
  name?: string | Uint8Array;
  state?: string;
  flags?: number;
  threads?: number;
  startTicks?: number;
  ppid?: number;
  userTicks?: number;
  systemTicks?: number;
  /** Real user id, in status. */
  uid?: number;
  /** cmdline as it is, NULs included; without it there is no such file. */
  cmdline?: string | Uint8Array;
  /** The content of cgroup; without it there is no such file. */
  cgroup?: string;
  /** stat. */
  approximate?: number;
  /** statm. */
  resident?: number;
  /** Of those, files and shared memory; default a third. */
  shared?: number;
  /** smaps_rollup, in KiB; without it there is no such file. */
  rollupKiB?: number;
  fileKiB?: number;
  shmemKiB?: number;
  swapKiB?: number;
  pageTableKiB?: number;
  oomScoreAdj?: number;
  oomScore?: number;
}

export function statText(pid: number, process: FakeProcess = {}): Buffer {
  const {
    name = 'task',
    state = 'S',
    flags = 4194304,
    threads = 1,
    startTicks = 1000 + pid,
    approximate = 0,
    ppid = 1,
    userTicks = 3,
    systemTicks = 4,
  } = process;
  const tail =
    ` ${state} ${ppid} ${pid} ${pid} 0 -1 ${flags} 101 0 0 0 ${userTicks} ${systemTicks} 0 0 20 0 ${threads} 0 ${startTicks} 3133440 ${approximate} ` +
    '18446744073709551615 94580390232064 94580390251945 140722782584640 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 ' +
    '94580390267952 94580390269568 94580788563968 140722782591706 140722782591726 140722782591726 140722782593003 0\n';
  return Buffer.concat([Buffer.from(`${pid} (`), Buffer.from(name), Buffer.from(`)${tail}`)]);
}

export function statmText({ resident = 0, shared = Math.floor(resident / 3) }: FakeProcess = {}): string {
  return `${2 * resident + 100} ${resident} ${shared} 5 0 ${resident} 0\n`;
}

export function statusText(process: FakeProcess = {}): string {
  const { uid = 0, fileKiB, shmemKiB, swapKiB, pageTableKiB, state = 'S', threads = 1 } = process;
  const line = (name: string, kib: number | undefined) =>
    kib === undefined ? '' : `${name}:\t${String(kib).padStart(8)} kB\n`;
  return (
    `Name:\ttask\nUmask:\t0022\nState:\t${state} (something)\nTgid:\t1\nUid:\t${uid}\t0\t0\t0\nVmPeak:\t    9999 kB\nVmRSS:\t     123 kB\n` +
    'RssAnon:\t      99 kB\n' +
    line('RssFile', fileKiB) +
    line('RssShmem', shmemKiB) +
    'VmData:\t     100 kB\n' +
    line('VmPTE', pageTableKiB) +
    line('VmSwap', swapKiB) +
    `HugetlbPages:\t       0 kB\nThreads:\t${threads}\nCpus_allowed_list:\t0-1\n`
  );
}

export function rollupText(kib: number): string {
  return `00400000-7ffffffff000 ---p 00000000 00:00 0                          [rollup]\nRss:\t${String(kib).padStart(8)} kB\nPss:\t     100 kB\n`;
}

/** A directory like /proc, of made-up processes. */
export class FakeProc {
  readonly root = mkdtempSync(join(tmpdir(), 'percpu-proc-'));

  /** @param onlineCpus what the machine's stat file tells. */
  constructor({ onlineCpus, ramKiB }: { onlineCpus?: number; ramKiB?: number } = {}) {
    this.setting('panic_on_oom', 0).setting('oom_kill_allocating_task', 0);
    if (onlineCpus !== undefined) {
      const lines = Array.from({ length: onlineCpus }, (_, cpu) => `cpu${cpu} 1 2 3\n`).join('');
      writeFileSync(join(this.root, 'stat'), `cpu  1 2 3\n${lines}intr 0\n`);
    }
    if (ramKiB !== undefined) {
      writeFileSync(join(this.root, 'meminfo'), `MemTotal:       ${ramKiB} kB\nSwapTotal:       0 kB\n`);
    }
  }

  /** Makes or changes a process, or with `tid` one of its threads. */
  set(pid: number, process: FakeProcess, tid?: number): this {
    const directory = join(this.root, String(pid), ...(tid === undefined ? [] : ['task', String(tid)]));
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'stat'), statText(tid ?? pid, process));
    writeFileSync(join(directory, 'statm'), statmText(process));
    writeFileSync(join(directory, 'status'), statusText(process));
    writeFileSync(join(directory, 'oom_score_adj'), `${process.oomScoreAdj ?? 0}\n`);
    writeFileSync(join(directory, 'oom_score'), `${process.oomScore ?? 666}\n`);
    if (process.cmdline !== undefined) writeFileSync(join(directory, 'cmdline'), process.cmdline);
    if (process.cgroup !== undefined) writeFileSync(join(directory, 'cgroup'), process.cgroup);
    if (process.rollupKiB !== undefined) writeFileSync(join(directory, 'smaps_rollup'), rollupText(process.rollupKiB));
    return this;
  }

  write(pid: number, file: string, content: string | Uint8Array): this {
    mkdirSync(join(this.root, String(pid)), { recursive: true });
    writeFileSync(join(this.root, String(pid), file), content);
    return this;
  }

  /** Sets what stands in sys/vm; null for no such file. */
  setting(name: string, value: number | null): this {
    const directory = join(this.root, 'sys', 'vm');
    mkdirSync(directory, { recursive: true });
    if (value === null) rmSync(join(directory, name));
    else writeFileSync(join(directory, name), `${value}\n`);
    return this;
  }

  end(pid: number): this {
    rmSync(join(this.root, String(pid)), { recursive: true });
    return this;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
