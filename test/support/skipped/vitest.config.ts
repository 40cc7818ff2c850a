import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/support/skipped/cases.ts'], reporters: ['./test/support/skip-reporter.ts'] },
});
