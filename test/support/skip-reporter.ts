import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

/** The reason at the end of a title, as skip.ts puts it there. */
const REASON = / ?\(skipped: (?<reason>.*)\)$/;

/** What was skipped, and why: the outermost title that gives a reason, or else what the test itself said as it skipped. */
function explain(test: TestCase): { what: string; reason: string | undefined } {
  const titles: string[] = [];
  for (let node: TestCase | TestSuite | TestModule = test; node.type !== 'module'; node = node.parent) {
    titles.unshift(node.name);
  }
  const at = titles.findIndex((title) => REASON.test(title));
  const told = at < 0 ? titles : titles.slice(0, at + 1);
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  const reason = at < 0 ? note : REASON.exec(titles[at]!)!.groups!.reason;
  const place = [test.module.relativeModuleId, ...told].join(' > ').replace(REASON, '');
  return { what: place, reason };
}

/** Prints one line for each skipped test, or for each skipped suite whose title gives the reason. */
export default class SkipReporter implements Reporter {
  #isFiltered = false;

  onInit(vitest: Vitest): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, { what: string; reason: string; tests: number }>();
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const { what, reason = 'its title does not say why' } = explain(test);
        // With -t, tests are left out for their names.
        if (this.#isFiltered && explain(test).reason === undefined) continue;
        const entry = counts.get(`${what}\n${reason}`) ?? { what, reason, tests: 0 };
        entry.tests++;
        counts.set(`${what}\n${reason}`, entry);
      }
    }
    for (const { what, reason, tests } of counts.values()) {
      console.log(`skipped: ${what}${tests > 1 ? ` (${tests} tests)` : ''}, because ${reason}`);
    }
  }
}
