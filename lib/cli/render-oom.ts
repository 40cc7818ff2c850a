import type { VictimPrediction } from '../limits/predict-victim.js';
import { type Fact, renderFacts } from './facts.js';
import { type Column, renderTable } from './table.js';
import type { Output } from './terminal.js';
import { formatBytes, formatCount, formatMiB, plural, printable, wrap } from './text.js';

interface OomView {
  limit: number;
  pageBytes: number;
  /** The scope as /proc/PID/cgroup names it; null for the machine. */
  scopeName: string | null;
  /** The group or process that was asked for, if any. */
  asked: string | undefined;
}

const COLUMNS: Column[] = [
  { head: 'badness MiB', align: 'right' },
  { head: 'pages', align: 'right' },
  { head: 'approximate allows', align: 'right', optional: true },
  { head: 'adj', align: 'right' },
  { head: 'oom_score', align: 'right', optional: true },
  { head: 'PID', align: 'right' },
  { head: 'process', align: 'left', flexible: 8 },
];

function scopeText({ scope }: VictimPrediction, { scopeName, asked }: OomView): string {
  const room = scope.headroom === null ? '' : `, ${formatBytes(scope.headroom)} left`;
  const name = scopeName === null ? 'this machine' : `the group ${printable(scopeName)}`;
  const why = asked === undefined ? '' : `: the least headroom of all that bind ${printable(asked)}`;
  return `${name}${room}${why}`;
}

const POLICIES = {
  badness: '',
  'allocating-task': 'the kernel kills the process that asks for memory (vm.oom_kill_allocating_task)',
  panic: 'the kernel panics and kills no process (vm.panic_on_oom)',
};

function facts(prediction: VictimPrediction, options: OomView): Fact[] {
  const { victim, ranking, totalPages, certain, preciseSums, approximateVictim, scope, policy, killsGroup } =
    prediction;
  const { unseen, unseenIsExact, unseenReason } = prediction;
  const memory = `${formatBytes(totalPages * options.pageBytes)} (${formatCount(totalPages)} pages)`;
  const parts = scope.path === null ? 'RAM and swap' : 'its limit and swap';
  const isObserver = ranking.find(({ pid }) => pid === victim?.pid)?.observer;
  const named = (pid: number) => printable(ranking.find((process) => process.pid === pid)?.name ?? '');
  return [
    {
      label: 'Victim',
      text: victim
        ? `${printable(victim.name)} (PID ${victim.pid}): ${formatMiB(victim.precise)} MiB resident` +
          `${isObserver ? '; it runs only for this command' : ''}`
        : 'none: no process may be killed',
    },
    { label: 'Scope', text: scopeText(prediction, options) },
    { label: 'When', text: `${parts}, ${memory}, run out` },
    ...(policy === 'badness' ? [] : [{ label: 'But', text: POLICIES[policy] }]),
    ...(killsGroup === null ? [] : [{ label: 'Along', text: `all of ${printable(killsGroup)} (memory.oom.group)` }]),
    {
      label: 'Certain',
      text: `${certain ? 'yes, no other process can have as high a badness' : 'no'}; precise figures needed: ${preciseSums}`,
    },
    ...(unseen === 0
      ? []
      : [
          {
            label: 'Unseen',
            text: `${plural(unseen, 'process', 'processes')}${unseenIsExact ? '' : ' or more'}: ${printable(unseenReason)}`,
          },
        ]),
    ...(approximateVictim !== null && approximateVictim !== victim?.pid
      ? [
          {
            label: 'But',
            text: `a kernel that uses approximate figures kills ${named(approximateVictim)} (PID ${approximateVictim})`,
          },
        ]
      : []),
  ];
}

export function renderOom(prediction: VictimPrediction, output: Output, options: OomView): string[] {
  const { width, colors } = output;
  const { limit, pageBytes } = options;
  const { ranking } = prediction;
  const mib = (pages: number) => formatMiB(pages * pageBytes);
  const rows = ranking
    .slice(0, limit)
    .map(({ badness, min, max, oomScoreAdj, oomScore, pid, name, observer }) => [
      mib(badness),
      formatCount(badness),
      `${mib(min)} … ${mib(max)}`,
      String(oomScoreAdj),
      String(oomScore),
      String(pid),
      `${printable(name)}${observer ? ' *' : ''}`,
    ]);
  const hasObserver = ranking.slice(0, limit).some(({ observer }) => observer);
  const hidden = ranking.length - rows.length;
  return [
    colors.bold("The OOM killer's next victim"),
    ...renderFacts(facts(prediction, options), output),
    '',
    ...(rows.length > 0 ? renderTable(COLUMNS, rows, output) : []),
    ...(hidden > 0 ? [`and ${formatCount(hidden)} more (--limit)`] : []),
    '',
    ...wrap(
      `${hasObserver ? '* runs only for this command. ' : ''}` +
        'badness = resident + swapped + page tables + oom_score_adj x total / 1000. Nothing is killed.',
      width,
    ).map(colors.dim),
  ];
}
