import { defineConfig } from 'vitest/config';

// The tests that import lib/ itself: a mutant is seen without a build. What starts threads and processes loads dist/, in
// which there are no mutants.
export default defineConfig({
  test: {
    include: ['test/{oom,mm,counter,contract,property,proc}/**/*.test.ts'],
    exclude: [
      'test/mm/concurrent-adders.test.ts',
      'test/contract/mixed-engines.test.ts',
      'test/proc/{kernel-oom,hostile-tree,accounting}.test.ts',
    ],
    testTimeout: 60_000,
  },
});
