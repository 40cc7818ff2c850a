// Reminds of CHANGELOG.md where lib/ or native/ changed without it; it never fails.
// Usage: node scripts/changelog-reminder.mjs [COMMIT]: what changed since COMMIT (default: the branch's start on
// origin/main, or else the commit before), uncommitted changes included.
import { execFileSync } from 'node:child_process';
import { repository } from './run.mjs';

/** @returns {string | undefined} what git prints; undefined where there is no git, no history, or no such commit. */
function git(...args) {
  try {
    return execFileSync('git', args, { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** @returns {string | undefined} the commit that the change starts from. */
function startOfChange() {
  const branched = git('merge-base', 'HEAD', 'origin/main');
  return branched && branched !== git('rev-parse', 'HEAD') ? branched : git('rev-parse', '--verify', 'HEAD~1');
}

const start = process.argv[2] ?? startOfChange();
const changed = start && git('diff', '--name-only', start, '--')?.split('\n');
if (!changed) {
  console.log('changelog: there is no earlier commit to compare with');
} else if (changed.some((file) => /^(lib|native)\//.test(file)) && !changed.includes('CHANGELOG.md')) {
  const reminder = 'lib/ or native/ changed and CHANGELOG.md did not. If users notice the change, add a line.';
  // GitHub shows this form beside the change.
  console.log(process.env.GITHUB_ACTIONS ? `::notice title=CHANGELOG.md::${reminder}` : `reminder: ${reminder}`);
} else {
  console.log('changelog: nothing to remind of');
}
