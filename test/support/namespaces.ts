import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { notLinux } from './skip.js';

/** The user whose processes these tests run, who has no rights at all. */
export const NOBODY = 65_534;

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** @returns what a shell script prints in namespaces of its own, whose mounts are seen nowhere else. */
export function inNamespaces(flags: readonly string[], script: string): string {
  return execFileSync('unshare', ['--mount', '--propagation', 'private', ...flags, 'sh', '-ec', script], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
}

/** Runs what follows as another user, without capabilities. */
export const asUser = (uid: number, groups: readonly number[] = []) =>
  `setpriv --reuid ${uid} --regid ${uid} ${groups.length > 0 ? `--groups ${groups.join(',')}` : '--clear-groups'} ` +
  '--bounding-set -all --inh-caps -all';

/** A folder at which a script mounts the repository: other users may not reach the place where it is. */
export class ReachablePackage {
  readonly directory = mkdtempSync(join(tmpdir(), 'percpu-reach-'));

  constructor() {
    chmodSync(this.directory, 0o755);
  }

  get mount(): string {
    return `mount --bind '${repository}' '${this.directory}'`;
  }

  /** A program that has the package as `percpu`; its standard output is what it prints. */
  node(code: string): string {
    const quoted = code.replaceAll("'", `'"'"'`);
    return (
      `'${process.execPath}' --input-type=module --eval ` +
      `'import * as percpu from "${this.directory}/dist/index.js"; ${quoted}'`
    );
  }

  cli(...args: string[]): string {
    return `'${process.execPath}' '${this.directory}/dist/cli/main.js' ${args.join(' ')}`;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** @returns why no script can mount a proc of its own and then be another user; '' where it can. */
export function whyNoOtherUser(): string {
  if (notLinux) return notLinux;
  if (process.getuid?.() !== 0) return 'only root can be another user';
  const [major = 0, minor = 0] = release().split('.').map(Number);
  // All mounts of one pid namespace had the same options: this one would change the machine's /proc.
  if (major < 5 || (major === 5 && minor < 8))
    return `hidepid is not each mount's own before Linux 5.8, this is ${release()}`;
  const reachable = new ReachablePackage();
  try {
    const script = `${reachable.mount}; mount -t proc -o hidepid=2 proc /proc; ${asUser(NOBODY)} ${reachable.cli('--version')}`;
    const flags = ['--mount', '--propagation', 'private', 'sh', '-ec', script];
    const { status, stderr, error } = spawnSync('unshare', flags, { encoding: 'utf8' });
    if (status === 0) return '';
    return `no mount namespace with a proc of its own and another user in it: ${(error?.message ?? stderr).trim()}`;
  } finally {
    reachable.remove();
  }
}
