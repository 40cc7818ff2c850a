import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lchownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon, runtimeLibc } from '../../lib/native/loader.js';
import { makeFolder, removeFolders } from '../support/consumer.js';

const offLinux = process.platform === 'linux' ? '' : ` (skipped: the addon is for Linux, this is ${process.platform})`;
const isRoot = process.geteuid?.() === 0;
const notRoot = isRoot ? '' : ' (skipped: only root can give files away)';
/** Nobody here. */
const STRANGER = 54_321;

afterAll(removeFolders);

const PREBUILT = `prebuilds/linux-${process.arch}/percpu.${runtimeLibc()}.node`;
/** What becomes of a file that nothing is wrong with but its content. */
const LOOKED_AT = 'not a shared library';

/** A package with both binaries, which are none. */
let folder: string;
const at = (path: string) => join(folder, path);

function makePackage(place: string): void {
  for (const file of ['build/Release/percpu.node', PREBUILT, 'dist/native/native.js', 'package.json']) {
    mkdirSync(dirname(join(place, file)), { recursive: true });
    writeFileSync(join(place, file), '{ "name": "percpu" }');
  }
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', place]);
}

beforeEach(() => {
  folder = join(makeFolder(), 'package');
  mkdirSync(folder);
  makePackage(folder);
});

/** What became of the local build and of the prebuilt binary. */
function outcomes(code = at('dist/native/native.js')): string[] {
  const { addon, attempts } = loadAddon(undefined, pathToFileURL(code).href);
  expect(addon).toBeUndefined();
  return attempts.map(({ outcome }) => outcome);
}

const BUILD = ['build/Release/percpu.node', 'build/Release', 'build'];
const PREBUILDS = [PREBUILT, dirname(PREBUILT), 'prebuilds'];

describe.skipIf(offLinux !== '')(`a binary that others may write${offLinux}`, () => {
  it('is looked at where nobody else may', () => {
    expect(outcomes()).toEqual([LOOKED_AT, LOOKED_AT]);
  });

  /** Every place on the way, and which binaries it counts for. */
  type Place = [path: string, build: boolean, prebuilt: boolean];
  const places: Place[] = [
    ...BUILD.map((place): Place => [place, true, false]),
    ...PREBUILDS.map((place): Place => [place, false, true]),
    ['.', true, true],
  ];
  const expected = (who: string, [place, build, prebuilt]: Place) => {
    const refused = `refused: ${who} may write '${at(place)}'`;
    return [build ? refused : LOOKED_AT, prebuilt ? refused : LOOKED_AT];
  };

  it.each(places)('%s, which anyone may write', (...place) => {
    execFileSync('chmod', ['o+w', at(place[0])]);
    expect(outcomes()).toEqual(expected('anyone', place));
    execFileSync('chmod', ['+t', at(place[0])]);
    expect(outcomes()).toEqual(expected('anyone', place));
  });

  it.skipIf(!isRoot).each(places.slice(0, -1))(`%s, of another user or group${notRoot}`, (...place) => {
    chownSync(at(place[0]), STRANGER, 0);
    expect(outcomes()).toEqual(expected(`user ${STRANGER}`, place));
    chownSync(at(place[0]), 0, STRANGER);
    expect(outcomes()).toEqual([LOOKED_AT, LOOKED_AT]);
    execFileSync('chmod', ['g+w', at(place[0])]);
    expect(outcomes()).toEqual(expected(`group ${STRANGER}`, place));
  });

  it('is no matter where the group is private, as with umask 002', () => {
    const [user, group] = [process.geteuid!(), process.getegid!()];
    execFileSync('chmod', ['-R', 'g+w', folder]);
    expect(outcomes()).toEqual(Array(2).fill(user === group ? LOOKED_AT : expect.stringMatching(/group/)));
  });

  it.skipIf(!isRoot)(`is no matter where they may write the running code as well${notRoot}`, () => {
    execFileSync('chown', ['-R', `${STRANGER}:${STRANGER + 1}`, folder]);
    execFileSync('chmod', ['-R', 'g+w', folder]);
    expect(outcomes()).toEqual([LOOKED_AT, LOOKED_AT]);
    chownSync(at('build'), STRANGER + 2, STRANGER + 1);
    expect(outcomes()[0]).toBe(`refused: user ${STRANGER + 2} may write '${at('build')}'`);
    // That the group has the code is not enough: it must be able to write it.
    chownSync(at('build'), STRANGER, STRANGER + 1);
    for (const path of ['.', 'dist', 'dist/native', 'dist/native/native.js']) execFileSync('chmod', ['g-w', at(path)]);
    expect(outcomes()[0]).toBe(`refused: group ${STRANGER + 1} may write '${at('build')}'`);
  });

  it('is found behind links, and so is the link that another may set', () => {
    const elsewhere = join(dirname(folder), 'elsewhere');
    renameSync(at('build'), elsewhere);
    symlinkSync('../elsewhere', at('build'));
    expect(outcomes()[0]).toBe(LOOKED_AT);
    chmodSync(elsewhere, 0o777);
    expect(outcomes()[0]).toBe(`refused: anyone may write '${elsewhere}'`);
    // Others may make entries in a sticky folder, and leave those alone that are there.
    chmodSync(elsewhere, 0o1777);
    expect(outcomes()[0]).toBe(LOOKED_AT);
    rmSync(at('build'));
    symlinkSync(elsewhere, at('build'));
    expect(outcomes()[0]).toBe(LOOKED_AT);
    if (!isRoot) return;
    lchownSync(at('build'), STRANGER, STRANGER);
    expect(outcomes()[0]).toBe(`refused: user ${STRANGER} may write '${at('build')}'`);
  });

  it('is not waited for, and links may go in circles', () => {
    for (const path of ['build/Release/percpu.node', PREBUILT]) rmSync(at(path));
    execFileSync('mkfifo', [at(PREBUILT)]);
    chmodSync(at(PREBUILT), 0o644);
    symlinkSync('percpu.node', at('build/Release/percpu.node'));
    expect(outcomes()).toEqual([expect.stringMatching(/regular file/), expect.stringMatching(/regular file/)]);
  });
});

describe.skipIf(offLinux !== '')(`beside a bundle${offLinux}`, () => {
  it('nothing is taken that is not in a folder of this package', () => {
    const bundle = at('dist/native/bundle.js');
    expect(outcomes(bundle)).toHaveLength(2);
    for (const manifest of ['{ "name": "another" }', '["percpu"]', 'null', 'damaged']) {
      writeFileSync(at('package.json'), manifest);
      expect(outcomes(bundle), manifest).toEqual([]);
    }
    rmSync(at('package.json'));
    expect(outcomes(bundle)).toEqual([]);
    execFileSync('mkfifo', [at('package.json')]);
    expect(outcomes(bundle)).toEqual([]);
  });

  it('the installed package is taken, unless others may replace it', () => {
    const application = makeFolder();
    const bundle = join(application, 'out', 'bundle.js');
    mkdirSync(dirname(bundle));
    writeFileSync(bundle, '');
    const modules = join(application, 'node_modules');
    mkdirSync(modules);
    renameSync(folder, join(modules, 'percpu'));
    expect(outcomes(bundle)).toEqual([LOOKED_AT, LOOKED_AT]);
    chmodSync(modules, 0o777);
    expect(outcomes(bundle)[0]).toBe(`refused: anyone may write '${modules}'`);
    chmodSync(modules, 0o1777);
    expect(outcomes(bundle)[0]).toBe(LOOKED_AT);
    // Who may write here may replace the bundle, too.
    chmodSync(application, 0o777);
    expect(outcomes(bundle)[0]).toBe(LOOKED_AT);
  });
});

describe.skipIf(offLinux !== '')(`PERCPU_NATIVE${offLinux}`, () => {
  const outcome = (path: string) => loadAddon(path, undefined).attempts[0]!.outcome;

  it('may name a file of any user, and none that anyone may write', () => {
    const file = at('build/Release/percpu.node');
    if (isRoot) chownSync(file, STRANGER, STRANGER);
    expect(outcome(file)).toBe(LOOKED_AT);
    chmodSync(at('build'), 0o1777);
    expect(outcome(file)).toBe(LOOKED_AT);
    chmodSync(at('build'), 0o777);
    expect(outcome(file)).toBe(`refused: anyone may write '${at('build')}'`);
    chmodSync(at('build'), 0o755);
    chmodSync(file, 0o666);
    expect(outcome(file)).toBe(`refused: anyone may write '${file}'`);
    const link = at('link.node');
    symlinkSync(file, link);
    expect(outcome(link)).toBe(`refused: anyone may write '${file}'`);
  });
});
