import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pinProblems, unpinnedActions } from '../../scripts/workflow-pins.mjs';
import { makeFolder, removeFolders, repository } from '../support/consumer.js';

afterAll(removeFolders);

const DIGEST = '0123456789abcdef0123456789abcdef01234567';

describe('unpinnedActions', () => {
  it.each([
    `- uses: actions/checkout@${DIGEST} # v4.2.2`,
    `  uses: owner/repository/folder@${DIGEST} # v10.0.1`,
    '- uses: ./.github/actions/own',
    '# uses nothing',
    '- run: echo "uses: x@v1"',
  ])('lets pass: %s', (line) => expect(unpinnedActions(`steps:\n      ${line}\n`)).toEqual([]));

  it.each([
    'actions/checkout@v4',
    'actions/checkout@v4.2.2',
    'actions/checkout@main',
    `actions/checkout@${DIGEST}`,
    `actions/checkout@${DIGEST} # v4`,
    `actions/checkout@${DIGEST.slice(1)} # v4.2.2`,
    `"actions/checkout@${DIGEST}0" # v4.2.2`,
    'docker://alpine:3',
  ])('finds: %s', (action) => {
    for (const key of ['- uses:', '  uses:', '- "uses":']) {
      expect(unpinnedActions(`steps:\n      ${key} ${action}  \n      - run: true\n`)).toEqual([action]);
    }
  });
});

it('says how to pin one', () => {
  const folder = makeFolder();
  mkdirSync(join(folder, 'more'));
  writeFileSync(join(folder, 'ci.yml'), '    - uses: actions/cache@v4\n');
  const [problem, ...others] = pinProblems(folder);
  expect(others).toEqual([]);
  expect(problem).toMatch(/^ci\.yml: actions\/cache@v4 is not pinned.*github\.com\/actions\/cache /);
});

describe('the workflow', () => {
  const text = readFileSync(join(repository, '.github', 'workflows', 'ci.yml'), 'utf8');
  /** Its jobs, by name. */
  const jobs = new Map(
    text
      .slice(text.indexOf('\njobs:\n'))
      .split(/^ {2}(?=\w+:$)/m)
      .slice(1)
      .map((job) => [job.slice(0, job.indexOf(':')), job]),
  );

  it('runs pinned actions', () => {
    expect(pinProblems(join(repository, '.github', 'workflows'))).toEqual([]);
  });

  it('runs no install script of a dependency', () => {
    const script = readFileSync(join(repository, '.ci', 'run'), 'utf8');
    const installs = [text, script.replace(/^step .*/gm, '')].flatMap(
      (commands) => commands.match(/npm (?:ci|install|i)\b.*/g)!,
    );
    expect(installs.length).toBeGreaterThan(3);
    expect(installs.filter((command) => !command.includes('--ignore-scripts'))).toEqual([]);
  });

  it('keeps no credentials where code of others runs', () => {
    const checkouts = text.match(/uses: actions\/checkout.*\n.*\n.*/g)!;
    expect(checkouts.filter((step) => !/persist-credentials: false/.test(step))).toEqual([]);
  });

  it('publishes in a job that has the package and nothing else, and no other job may', () => {
    const publish = jobs.get('publish')!;
    expect(publish).not.toMatch(/checkout|npm ci|npm install|npm run|npx|node scripts/);
    expect(publish).toMatch(/needs: \[.*\bpackage\b.*\]/);
    const others = [...jobs.keys()].filter((name) => name !== 'publish');
    for (const name of others) expect(publish).toMatch(new RegExp(`needs: \\[.*\\b${name}\\b`));
    expect([...jobs].filter(([, job]) => /id-token|: write/.test(job)).map(([name]) => name)).toEqual(['publish']);
    expect(text.slice(0, text.indexOf('\njobs:'))).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  });
});
