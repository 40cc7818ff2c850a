import { describe, expectTypeOf, it } from 'vitest';
import type { ProcessIdentity } from '../../lib/proc/identity.js';
import type { ProcessCpu, ReadingWith, RssBreakdown, RssReading } from '../../lib/proc/reading.js';
import { readRss } from '../../lib/proc/rss.js';
import { RssScanner, scanRss } from '../../lib/proc/rss-scanner.js';

describe('the type of a reading', () => {
  it('follows the options', () => {
    expectTypeOf<ReadingWith<Record<never, never>>>().toEqualTypeOf<RssReading & RssBreakdown>();
    expectTypeOf<ReadingWith<{ root: string }>>().toEqualTypeOf<RssReading & RssBreakdown>();
    expectTypeOf<ReadingWith<{ breakdown: false }>>().toEqualTypeOf<RssReading>();
    expectTypeOf<ReadingWith<{ identity: true; cpu: true }>>().toEqualTypeOf<
      RssReading & RssBreakdown & ProcessIdentity & ProcessCpu
    >();
    expectTypeOf<ReadingWith<{ identity: boolean }>>().toEqualTypeOf<
      RssReading & RssBreakdown & Partial<ProcessIdentity>
    >();
  });

  it('is inferred from what is written', () => {
    expectTypeOf(() => readRss('self', { breakdown: false })).returns.toEqualTypeOf<RssReading>();
    expectTypeOf(() => readRss()).returns.toEqualTypeOf<RssReading & RssBreakdown>();
    expectTypeOf(() => readRss(1, { cpu: true }).userMs).returns.toBeNumber();
    expectTypeOf(() => scanRss({ identity: true })).returns.resolves.items.toHaveProperty('service');
    expectTypeOf(() =>
      new RssScanner({ breakdown: false, identity: true }).scan(),
    ).returns.resolves.items.toEqualTypeOf<RssReading & ProcessIdentity>();
  });
});
