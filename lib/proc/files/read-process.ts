import { statSync } from 'node:fs';
import { codeOf } from '../../errors.js';
import { processError, rootError } from './errors.js';
import { type ProcessDirectory, type ReadFile, withPaths } from './kept-files.js';
import { listPids } from './pid-list.js';
import { type ProcStatus, parseInteger, parseRollup, parseStat, parseStatm, parseStatus } from './proc-text.js';
import { type ProcessFile, type ProcessFiles, Want } from './process-row.js';

/** Whether this process or the machine has no descriptors left, which is not a failure of the process to be read. */
export function isOutOfFiles(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

export function directoryOf(root: string, pid: number | 'self'): ProcessDirectory {
  return { path: `${root}/${pid}`, own: root === '/proc' };
}

function threadOf({ path, own }: ProcessDirectory, tid: number): ProcessDirectory {
  return { path: `${path}/task/${tid}`, own };
}

export class FileError extends Error {
  readonly file: ProcessFile;
  readonly code: string;

  constructor(file: ProcessFile, code: string) {
    super(code);
    this.file = file;
    this.code = code;
  }
}

function parsed<T>(read: ReadFile, file: ProcessFile, parse: (text: string) => T | undefined): T {
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    throw new FileError(file, codeOf(error));
  }
  const value = parse(text);
  if (value === undefined) throw new FileError(file, 'EBADMSG');
  return value;
}

/** Null for processes of other users, which are denied, and for kernel threads, which have no page tables. */
function optionalRollup(read: ReadFile): number | null {
  try {
    return parseRollup(read('smaps_rollup')) ?? null;
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('smaps_rollup', codeOf(error));
    return null;
  }
}

const NO_STATUS: ProcStatus = { fileKiB: 0, shmemKiB: 0, swapKiB: 0, pageTableKiB: 0 };

/**
 * Reads stat last. It stays open the whole time; if it can be read, the files that were opened by pid in between belong to the
 * same process.
 *
 * @throws FileError
 */
function readFiles(read: ReadFile, want: number): ProcessFiles {
  const statm = parsed(read, 'statm', parseStatm);
  const status = (want & Want.STATUS) !== 0 ? parsed(read, 'status', parseStatus) : NO_STATUS;
  const rollupKiB = (want & Want.ROLLUP) !== 0 ? optionalRollup(read) : null;
  const wantsOom = (want & Want.OOM) !== 0;
  const oomScoreAdj = wantsOom ? parsed(read, 'oom_score_adj', parseInteger) : 0;
  const oomScore = wantsOom ? parsed(read, 'oom_score', parseInteger) : 0;
  const stat = parsed(read, 'stat', parseStat);
  const wantsCpu = (want & Want.CPU) !== 0;
  return {
    pid: stat.pid,
    name: stat.name,
    state: stat.state,
    kernelThread: stat.kernelThread,
    threads: stat.threads,
    startTicks: stat.startTicks,
    userTicks: wantsCpu ? stat.userTicks : 0,
    systemTicks: wantsCpu ? stat.systemTicks : 0,
    statRssPages: stat.rssPages,
    residentPages: statm.residentPages,
    sharedPages: statm.sharedPages,
    ...status,
    rollupKiB,
    oomScoreAdj,
    oomScore,
  };
}

/**
 * The first thread may end before the others (pthread_exit(3)). Its files show no memory then; those of any other thread show
 * the process's.
 *
 * @throws FileError
 */
function readOtherThread(first: ProcessFiles, read: ReadFile, directory: ProcessDirectory, want: number): ProcessFiles {
  for (const tid of listThreads(directory.path)) {
    const seen =
      tid === first.pid ? undefined : tryThread(threadOf(directory, tid), want & (Want.ROLLUP | Want.STATUS));
    if (!seen || seen.residentPages === 0) continue;
    // If stat can be read, no other process has the pid.
    parsed(read, 'stat', parseStat);
    const { pid, name, startTicks, userTicks, systemTicks, oomScoreAdj, oomScore } = first;
    return { ...seen, pid, name, startTicks, userTicks, systemTicks, oomScoreAdj, oomScore };
  }
  return first;
}

/** @throws FileError if no descriptor is left. */
function tryThread(directory: ProcessDirectory, want: number): ProcessFiles | undefined {
  try {
    return withPaths(directory, (read) => readFiles(read, want));
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('stat', codeOf(error));
    return undefined;
  }
}

/** @throws FileError if no descriptor is left. */
function listThreads(directory: string): number[] {
  try {
    return listPids(`${directory}/task`);
  } catch (error) {
    if (isOutOfFiles(error)) throw new FileError('stat', codeOf(error));
    return [];
  }
}

/** @throws FileError */
export function readWhole(read: ReadFile, directory: ProcessDirectory, want: number): ProcessFiles {
  const files = readFiles(read, want);
  return files.state === 'Z' && files.threads > 1 ? readOtherThread(files, read, directory, want) : files;
}

/** @throws FileError */
export function readByPaths(directory: ProcessDirectory, want: number): ProcessFiles {
  try {
    return withPaths(directory, (read) => readWhole(read, directory, want));
  } catch (error) {
    throw error instanceof FileError ? error : new FileError('stat', codeOf(error));
  }
}

/** @throws PercpuError if the root is missing or not a directory. */
export function requireRoot(root: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(root).isDirectory();
  } catch (error) {
    throw rootError(codeOf(error), root);
  }
  if (!isDirectory) throw rootError('ENOTDIR', root);
}

export function readOne(root: string, pid: number | 'self', want: number): ProcessFiles {
  try {
    return readByPaths(directoryOf(root, pid), want);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    requireRoot(root);
    throw processError(error.code, root, pid, error.file);
  }
}
