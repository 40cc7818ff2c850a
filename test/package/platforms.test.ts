import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { printed, repository } from '../support/consumer.js';

const dist = `${pathToFileURL(repository)}dist/`;

/** Runs code in a process that takes itself for one on another platform. */
function onPlatform<T>(platform: string, code: string): Promise<T> {
  return printed<T>(
    `Object.defineProperty(process, 'platform', { value: '${platform}' });
     const percpu = await import('${dist}index.js');
     const { native } = await import('${dist}native/native.js');
     ${code}`,
  );
}

describe.each([['darwin'], ['win32']])('on %s', (platform) => {
  it('counters, mm and OOM selection work in full', async () => {
    const found = await onPlatform(
      platform,
      `const counter = new percpu.CounterTree();
       for (let i = 0; i < 1_000; i++) counter.add(3);
       const mms = [10, 30, 20].map((pages) => {
         const mm = new percpu.Mm();
         mm.add('anon', pages);
         return mm;
       });
       const tasks = mms.map((mm, at) => ({ pid: at + 1, mm }));
       const { victim, badness } = percpu.selectVictim(tasks, { totalPages: 1_000 });
       const bounds = counter.bounds();
       console.log(JSON.stringify({
         reason: native.reason,
         sum: counter.preciseSum(),
         bounded: bounds.min <= 3_000 && bounds.max >= 3_000,
         rss: mms.map((mm) => mm.rssSum()),
         victim: victim.pid,
         badness,
         cpus: percpu.topology().online.length > 0,
       }));`,
    );
    expect(found).toEqual({
      reason: `the addon is for Linux, this is ${platform}`,
      sum: 3_000,
      bounded: true,
      rss: [10, 30, 20],
      victim: 2,
      badness: 30,
      cpus: true,
    });
  });

  it('what needs Linux says so, and what works', async () => {
    const errors = await onPlatform<Record<string, { code: string; message: string }>>(
      platform,
      `const counter = new percpu.CounterTree();
       const calls = {
         rss: () => percpu.rss(),
         readRss: () => percpu.readRss(),
         scanRss: () => percpu.scanRss(),
         predictVictim: () => percpu.predictVictim(),
         rssAccounting: () => percpu.rssAccounting(),
         runOnCpus: () => percpu.runOnCpus({ counter, iterations: 1 }),
         setAffinity: () => percpu.setAffinity([0]),
       };
       const errors = {};
       for (const [name, call] of Object.entries(calls)) {
         try {
           await call();
         } catch ({ code, message }) {
           errors[name] = { code, message };
         }
       }
       console.log(JSON.stringify(errors));`,
    );
    const names = ['rss', 'readRss', 'scanRss', 'predictVictim', 'rssAccounting', 'runOnCpus', 'setAffinity'];
    expect(Object.keys(errors)).toEqual(names);
    for (const name of names) {
      expect(errors[name]?.code, name).toBe('ERR_UNSUPPORTED_PLATFORM');
      expect(errors[name]?.message, name).toContain(platform);
      expect(errors[name]?.message, name).toContain('Linux');
    }
    expect(errors.readRss?.message).toContain('counters, mm and OOM selection work');
  });
});
