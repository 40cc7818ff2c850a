import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** What the files of a /proc say; an errno's name for those that cannot be read. */
const files = vi.hoisted(() => new Map<string, string>());
vi.mock('node:fs', () => ({
  readFileSync: (path: string) => {
    const text = files.get(path) ?? 'ENOENT';
    if (/^E[A-Z]+$/.test(text)) throw Object.assign(new Error(text), { code: text });
    return text;
  },
}));

const PF_FORKNOEXEC = 0x40;
const PF_EXITING = 0x4;
const OWN = 100;
const OTHER = 101;
const START = 5_000;

function statText(tid: number, { flags = PF_FORKNOEXEC, start = START + tid, state = 'S' } = {}): string {
  return (
    `${tid} (a) b) ${state} 1 1 1 0 -1 ${flags} 1 0 0 0 3 4 0 0 20 0 3 0 ${start} 3133440 100 ` +
    '18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n'
  );
}

const taskStat = (tid: number) => `/proc/self/task/${tid}/stat`;

beforeEach(() => {
  vi.resetModules();
  files.clear();
  files.set('/proc/thread-self/stat', statText(OWN));
  files.set(taskStat(OWN), statText(OWN));
  files.set(taskStat(OTHER), statText(OTHER));
});
afterEach(() => files.clear());

/** The module as a thread that begins now has it, and the identity that the other thread gave itself. */
async function identities() {
  files.set('/proc/thread-self/stat', statText(OTHER));
  const other = (await import('../../lib/counter/thread-identity.js')).ownIdentity();
  vi.resetModules();
  files.set('/proc/thread-self/stat', statText(OWN));
  const { isThreadGone, ownIdentity } = await import('../../lib/counter/thread-identity.js');
  expect(ownIdentity()).toBeGreaterThan(0n);
  return { other, own: ownIdentity(), isGone: () => isThreadGone(other), isThreadGone };
}

it('lives while it is in /proc', async () => {
  const { isGone, own, isThreadGone } = await identities();
  expect(isGone()).toBe(false);
  expect(isThreadGone(own)).toBe(false);
});

it('has ended once it is exiting: it runs nothing more', async () => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), statText(OTHER, { flags: PF_FORKNOEXEC | PF_EXITING, state: 'R' }));
  expect(isGone()).toBe(true);
});

it.each(['ENOENT', 'ESRCH'])('has ended where /proc says %s', async (code) => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), code);
  expect(isGone()).toBe(true);
});

it('has ended where its number is that of a later thread', async () => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), statText(OTHER, { start: START + OTHER + 1 }));
  expect(isGone()).toBe(true);
});

it.each(['EACCES', 'EMFILE', 'EIO'])('lives where /proc says %s, which tells nothing', async (code) => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), code);
  expect(isGone()).toBe(false);
});

it.each(['', '101 (node) S 1', statText(OTHER, { start: 0 })])('lives where its file is damaged: %j', async (text) => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), text);
  expect(isGone()).toBe(false);
});

it.each([
  ['is not there', 'ENOENT'],
  ['may not be read', 'EACCES'],
  ['shows another start time', statText(OWN, { start: START + 7 })],
])('lives where the entry of the observer itself %s', async (_, text) => {
  const { isGone } = await identities();
  files.set(taskStat(OTHER), 'ENOENT');
  expect(isGone()).toBe(true);
  files.set(taskStat(OWN), text);
  expect(isGone()).toBe(false);
});

it('lives where an observer without a place in /proc looks, and cannot be told by its own number', async () => {
  const { other } = await identities();
  vi.resetModules();
  files.set('/proc/thread-self/stat', 'ENOENT');
  files.set(taskStat(OTHER), 'ENOENT');
  const { isThreadGone, ownIdentity } = await import('../../lib/counter/thread-identity.js');
  expect(ownIdentity()).toBeLessThan(0n);
  expect(isThreadGone(other)).toBe(false);
  const nameless = ownIdentity();
  vi.resetModules();
  files.set('/proc/thread-self/stat', statText(OWN));
  const again = await import('../../lib/counter/thread-identity.js');
  expect(again.ownIdentity()).toBeGreaterThan(0n);
  expect(again.isThreadGone(nameless)).toBe(false);
});
