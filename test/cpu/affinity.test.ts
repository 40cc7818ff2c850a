import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { getAffinity, setAffinity, withAffinity } from '../../lib/cpu/affinity.js';
import { parseCpuList } from '../../lib/cpu/cpu-list.js';
import { currentCpu } from '../../lib/cpu/current-cpu.js';
import { native } from '../../lib/native/native.js';
import { describeUnless, noAddon } from '../support/skip.js';
import { NOT_NUMBERS, NOT_SAFE_INTEGERS, percpuError, rangeError, thrown, typeError } from '../support/thrown.js';

const allowed = getAffinity();
const first = allowed[0]!;
const last = allowed.at(-1)!;
/** Beyond any machine's CPUs, within what the kernel can be asked. */
const OFFLINE = 4_095;

afterEach(() => {
  if (native.addon) setAffinity(allowed);
});

const einval = (cpu: number) =>
  expect.objectContaining({
    name: 'PercpuError',
    code: 'EINVAL',
    message: expect.stringMatching(new RegExp(`CPU ([\\d, ]+, )?${cpu} is offline or not allowed`)),
  });

/** A process number that no process has any more. */
async function deadTid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid!;
}

describe('getAffinity', () => {
  it('gives what the kernel says, ascending', () => {
    const status = readFileSync('/proc/thread-self/status', 'latin1');
    expect(allowed).toEqual(parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!));
    expect(allowed.length).toBeGreaterThan(0);
    expect(allowed).toEqual([...allowed].sort((a, b) => a - b));
  });

  it('takes a thread by its number', () => {
    expect(getAffinity(process.pid)).toEqual(allowed);
    expect(getAffinity(0)).toEqual(allowed);
  });

  it('refuses what is no thread number', () => {
    for (const tid of NOT_NUMBERS) expect(thrown(() => getAffinity(tid as number))).toEqual(typeError('tid'));
    for (const tid of [-1, 2 ** 31, ...NOT_SAFE_INTEGERS]) {
      expect(thrown(() => getAffinity(tid))).toEqual(rangeError('tid'));
    }
  });

  it('says that a thread is gone', async () => {
    const tid = await deadTid();
    expect(thrown(() => getAffinity(tid))).toEqual(percpuError('ESRCH', `${tid}`));
    expect(() => getAffinity(tid)).toThrow(expect.objectContaining({ pid: tid, syscall: expect.any(String) }));
  });
});

describeUnless(noAddon)('setAffinity', () => {
  it('takes a number or any iterable, in any order, repeated or not', () => {
    function* generated() {
      yield* [last, first, last];
    }
    const both = [...new Set([first, last])];
    for (const cpus of [
      both,
      [...both].reverse(),
      [...both, ...both],
      new Set(both),
      Uint16Array.from(both),
      generated(),
    ]) {
      setAffinity(allowed);
      setAffinity(cpus as Iterable<number>);
      expect(getAffinity()).toEqual(both);
    }
    setAffinity(last);
    expect(getAffinity()).toEqual([last]);
    expect(currentCpu()).toBe(last);
  });

  it('works on another process', async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });
    await once(child, 'spawn');
    setAffinity(last, child.pid);
    expect(getAffinity(child.pid)).toEqual([last]);
    expect(getAffinity()).toEqual(allowed);
    child.kill();
    await once(child, 'exit');
  });

  it('names the CPU that is offline, and changes nothing', () => {
    expect(thrown(() => setAffinity(OFFLINE))).toEqual(einval(OFFLINE));
    expect(thrown(() => setAffinity([OFFLINE]))).toEqual(einval(OFFLINE));
    expect(() => setAffinity(OFFLINE)).toThrow(expect.objectContaining({ syscall: 'sched_setaffinity' }));
    // The largest number the library takes; beyond the kernel's own set.
    expect(thrown(() => setAffinity(2 ** 20 - 1))).toEqual(einval(2 ** 20 - 1));
    expect(getAffinity()).toEqual(allowed);
  });

  it('takes all or nothing', () => {
    setAffinity(first);
    for (const cpus of [
      [last, OFFLINE],
      [OFFLINE, last],
      [...allowed, OFFLINE],
      [first, 2 ** 20 - 1],
    ]) {
      const wrong = cpus.find((cpu) => cpu >= OFFLINE)!;
      expect(thrown(() => setAffinity(cpus))).toEqual(einval(wrong));
      expect(() => setAffinity(cpus)).toThrow(expect.objectContaining({ syscall: 'sched_setaffinity' }));
      expect(getAffinity()).toEqual([first]);
    }
  });

  it('refuses what are no CPUs', () => {
    const notCpus = [undefined, null, '0', '', 1n, true, Symbol('cpu'), {}, () => 1, { 0: 1, length: 1 }];
    for (const cpus of notCpus) expect(thrown(() => setAffinity(cpus as number))).toEqual(typeError('cpus'));
    for (const cpu of [-1, 2 ** 20, ...NOT_SAFE_INTEGERS]) {
      expect(thrown(() => setAffinity(cpu))).toEqual(rangeError('cpus', '1048575'));
      expect(thrown(() => setAffinity([first, cpu]))).toEqual(rangeError('cpus[1]', '1048575'));
    }
    for (const cpu of NOT_NUMBERS) expect(thrown(() => setAffinity([cpu as number]))).toEqual(typeError('cpus[0]'));
    for (const none of [[], new Set<number>(), new Uint8Array()]) {
      expect(thrown(() => setAffinity(none))).toEqual(rangeError('cpus', 'at least one'));
    }
    expect(getAffinity()).toEqual(allowed);
  });

  it('ends with an iterable that does not', () => {
    function* endless() {
      for (;;) yield first;
    }
    expect(thrown(() => setAffinity(endless()))).toEqual(rangeError('cpus', 'at most'));
    function* broken() {
      yield first;
      throw new Error('on purpose');
    }
    expect(() => setAffinity(broken())).toThrow('on purpose');
    expect(getAffinity()).toEqual(allowed);
  });

  it('refuses what is no thread', async () => {
    for (const tid of NOT_NUMBERS) expect(thrown(() => setAffinity(first, tid as number))).toEqual(typeError('tid'));
    for (const tid of [-1, 2 ** 31, ...NOT_SAFE_INTEGERS]) {
      expect(thrown(() => setAffinity(first, tid))).toEqual(rangeError('tid'));
    }
    const tid = await deadTid();
    expect(thrown(() => setAffinity(first, tid))).toEqual(percpuError('ESRCH', `${tid}`));
    expect(getAffinity()).toEqual(allowed);
  });
});

describeUnless(noAddon)('withAffinity', () => {
  it('runs the function there, hands out its result, and restores', () => {
    for (const cpu of allowed) {
      expect(withAffinity(cpu, () => [currentCpu(), ...getAffinity()])).toEqual([cpu, cpu]);
      expect(getAffinity()).toEqual(allowed);
    }
  });

  it('restores what was there before, nested or not', () => {
    setAffinity(last);
    withAffinity(first, () => {
      expect(withAffinity(allowed, () => getAffinity())).toEqual(allowed);
      expect(getAffinity()).toEqual([first]);
    });
    expect(getAffinity()).toEqual([last]);
  });

  it('restores when the function throws, and when the promise it returns does', async () => {
    const fail = () => {
      throw new Error(`on purpose, on ${getAffinity()}`);
    };
    expect(() => withAffinity(first, fail)).toThrow(`on purpose, on ${first}`);
    expect(getAffinity()).toEqual(allowed);
    await expect(withAffinity(first, async () => fail())).rejects.toThrow(`on purpose, on ${first}`);
    expect(getAffinity()).toEqual(allowed);
  });

  it('does not call the function where it cannot run there', () => {
    let called = false;
    const fn = () => (called = true);
    expect(thrown(() => withAffinity(OFFLINE, fn))).toEqual(einval(OFFLINE));
    expect(thrown(() => withAffinity([first, OFFLINE], fn))).toEqual(einval(OFFLINE));
    expect(thrown(() => withAffinity([], fn))).toEqual(rangeError('cpus'));
    expect(thrown(() => withAffinity('0' as never, fn))).toEqual(typeError('cpus'));
    expect(called).toBe(false);
    for (const wrong of [undefined, null, 1, 'f', {}]) {
      expect(thrown(() => withAffinity(first, wrong as never))).toEqual(typeError('fn'));
    }
    expect(getAffinity()).toEqual(allowed);
  });
});
