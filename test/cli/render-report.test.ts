import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { describe, expect, it } from 'vitest';
import { renderReport } from '../../lib/cli/render-report.js';
import { sampleReport, sampleRun } from './sample-report.js';

const plain = (width: number) => ({ width, colors: pc.createColors(false) });
const PLAIN = plain(80);

/** Columns of a terminal that a line takes. */
function columns(line: string): number {
  const wide = line.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]/gu) ?? [];
  return [...line].length + wide.length;
}

function lines(text: string): string[] {
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

describe('width', () => {
  const widths = [40, 60, 80, 120, 300];
  const machines = [1, 2, 16, 17, 256, 8192];
  it.each(widths.flatMap((width) => machines.map((cpus) => [width, cpus])))('%d columns, %d CPUs', (width, cpus) => {
    const report = sampleReport({ cpus, processes: 60 });
    for (const all of [false, true]) {
      for (const line of lines(renderReport(report, plain(width), { all }))) {
        expect(columns(line), JSON.stringify(line)).toBeLessThanOrEqual(width);
      }
    }
  });

  it('is the same with colours', () => {
    const report = sampleReport({ processes: 60 });
    for (const width of widths) {
      const colored = renderReport(report, { width, colors: pc.createColors(true) });
      expect(colored).toContain('\u001b[');
      expect(stripVTControlCharacters(colored)).toBe(renderReport(report, plain(width)));
    }
  });
});

describe('plain text', () => {
  it('has no escape codes and no control characters, whatever a process is called', () => {
    const text = renderReport(sampleReport({ processes: 60 }), PLAIN, { all: true });
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('a?[31mred?');
    expect(text).toContain('new?line');
  });

  it('has no white space at the end of a line', () => {
    expect(renderReport(sampleReport({ processes: 60 }), PLAIN)).not.toMatch(/[ \t]$/m);
  });
});

describe('schemes', () => {
  it.each([
    [1, 2, /flat counters miss up to 1 MiB of an RSS, counter trees 2 MiB: flat counters are tighter/],
    [2, 1, /counter trees 1 MiB: counter trees are tighter on this machine/],
    [2, 2, /flat counters miss up to 2 MiB of an RSS, counter trees as much: neither is tighter/],
  ])('of flat %d MiB and tree %d MiB names the tighter', (flat, tree, text) => {
    const schemes = { flatBytes: flat * 2 ** 20, treeBytes: tree * 2 ** 20 };
    const report = { ...sampleReport(), schemes };
    expect(renderReport(report, plain(100)).replace(/\s+/g, ' ')).toMatch(text);
  });
});

describe('processes', () => {
  it('shows the first 20 and counts the rest', () => {
    const report = sampleReport({ processes: 25 });
    const short = renderReport(report, PLAIN);
    expect(short).toContain('and 5 more (--all shows them)');
    expect(short).toContain('25 of 30 examined differ');
    expect(short).not.toContain(String(4_194_303 - 20));
    const long = renderReport(report, PLAIN, { all: true });
    expect(long).not.toContain('more (--all');
    for (const { pid } of report.processes.differing) expect(long).toContain(String(pid));
  });

  it('gives errors their sign, in MiB', () => {
    const report = sampleReport({ processes: 0 });
    report.processes.differing = [
      { pid: 7, name: 'less', approximateBytes: 0, preciseBytes: 105_172 * 4096, errorBytes: -105_172 * 4096 },
      { pid: 8, name: 'page', approximateBytes: 8192, preciseBytes: 4096, errorBytes: 4096 },
    ];
    const text = renderReport(report, PLAIN);
    expect(text).toMatch(/^ +-410\.828 +0\.000 +410\.828 +7 {2}less$/m);
    expect(text).toMatch(/^ +\+0\.004 +0\.008 +0\.004 +8 {2}page$/m);
  });

  it('says so when none differs', () => {
    expect(renderReport(sampleReport({ processes: 0 }), PLAIN)).toContain('No process differs, of 5 examined.');
  });

  it('says what monitors read, and how wrong that is now', () => {
    const text = renderReport(sampleReport(), plain(110));
    expect(text).toMatch(/process\.memoryUsage\(\) .* wrong: -[\d,.]+ MiB for PID/);
    expect(text).toMatch(/prom-client .* \/proc\/self\/status +right/);
    expect(text).toMatch(/Worst case +an approximate RSS is off by up to 768 KiB/);
  });

  it('says so where there is no /proc', () => {
    const report = sampleReport({ processes: 0 });
    report.processes.unavailable = 'no /proc';
    report.accounting = null;
    const text = renderReport(report, PLAIN);
    expect(text).toContain('Not available here: no /proc.');
    expect(text).not.toContain('How this kernel counts');
    expect(text).not.toContain('What monitors here read');
  });
});

describe('run', () => {
  it('has a row per CPU up to 16, then three', () => {
    const few = renderReport(sampleReport({ cpus: 16 }), PLAIN);
    expect(few.match(/^ +\d+ +123,456,799 /gm)).toHaveLength(16);
    const many = renderReport(sampleReport({ cpus: 256 }), PLAIN);
    expect(many).toContain('256 native threads');
    expect(many).not.toMatch(/^ +\d+ +123,456,799 /m);
    expect(many).toMatch(/^ {2}slowest: CPU 255 .* 6\.55 {2}CPU 255$/m);
    expect(many).toMatch(/^ {2}median: CPU 127 .* 5\.27 {2}CPU 127$/m);
    expect(many).toMatch(/^ {2}fastest: CPU 0 .* 4\.00 {2}CPU 0$/m);
    expect(many).toMatch(/^ {2}all +31,604,940,544 /m);
  });

  it('is left out when there was none', () => {
    expect(renderReport({ ...sampleReport(), run: null }, PLAIN)).not.toContain('Verdict');
  });

  it('tells a wrong sum from a right one', () => {
    expect(renderReport(sampleReport(), PLAIN)).toMatch(/^ {2}Verdict +OK$/m);
    const run = { ...sampleRun(2), precise: 7, ok: false, checks: { exact: false, documented: true, tight: false } };
    const text = renderReport({ ...sampleReport(), run }, PLAIN);
    expect(text).toMatch(/^ {2}Precise sum +NOT OK 7, but 246,913,598 were added$/m);
    expect(text).toMatch(/^ {2}Documented +OK precise sum in /m);
    expect(text).toMatch(/^ {2}Tight bounds NOT OK precise sum not in /m);
    expect(text).toMatch(/^ {2}Verdict +NOT OK /m);
  });

  it('names migrations', () => {
    const run = sampleRun(2);
    run.threads[1]!.endCpu = 0;
    run.migrations = 1;
    const text = renderReport({ ...sampleReport(), run }, PLAIN);
    expect(text).toContain('1 of 2 threads seen on another CPU than its own');
    expect(text).toContain('CPU 1, then 0');
    expect(renderReport({ ...sampleReport(), run: { ...run, migrations: null } }, PLAIN)).toContain('unknown');
  });
});

describe('fallback', () => {
  it('is said at the top', () => {
    const report = sampleReport();
    Object.assign(report.engine!, { addonLoaded: false, addonReason: 'no compiler', cpuSource: 'thread' });
    report.run = { ...sampleRun(2), pinned: false };
    for (const thread of report.run.threads) thread.cpu = null;
    const text = renderReport(report, PLAIN);
    expect(lines(text)[1]).toMatch(/^Fallback, without the native addon: no compiler\./);
    expect(text).toContain('not pinned: 2 worker threads in JavaScript');
    expect(text).toContain('worker 2');
  });
});
