import type { Colors } from 'picocolors/types.js';
import type { VictimPrediction } from '../proc/predict-victim.js';
import { type Fact, renderFacts } from './facts.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatCount, formatMiB, printable } from './text.js';

export interface RenderOomOptions {
  width: number;
  colors: Colors;
  /** Rows to show. */
  limit: number;
  pageBytes: number;
  /** The control group, if one was asked for. */
  cgroup: string | undefined;
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

function facts(prediction: VictimPrediction, { pageBytes, cgroup }: RenderOomOptions): Fact[] {
  const { victim, ranking, totalPages, certain, preciseSums, approximateVictim } = prediction;
  const memory = `${formatBytes(totalPages * pageBytes)} (${formatCount(totalPages)} pages)`;
  const scope = cgroup === undefined ? 'this machine, RAM and swap' : `${printable(cgroup)}, its limit and swap`;
  const named = (pid: number) => printable(ranking.find((process) => process.pid === pid)?.name ?? '');
  return [
    {
      label: 'Victim',
      text: victim
        ? `${printable(victim.name)} (PID ${victim.pid}): ${formatMiB(victim.precise)} MiB resident`
        : 'nobody: there is no process that may be killed',
    },
    { label: 'When', text: `${scope}: ${memory} run out` },
    {
      label: 'Certain',
      text: `${certain ? 'yes, no other can have a higher badness' : 'no'}; precise figures needed: ${preciseSums}`,
    },
    ...(approximateVictim !== null && approximateVictim !== victim?.pid
      ? [
          {
            label: 'But',
            text: `a kernel that goes by approximate figures takes ${named(approximateVictim)} (PID ${approximateVictim})`,
          },
        ]
      : []),
  ];
}

/** @returns the prediction for people: badness in MiB and pages. */
export function renderOom(prediction: VictimPrediction, options: RenderOomOptions): string[] {
  const { width, colors, limit, pageBytes } = options;
  const { ranking } = prediction;
  const mib = (pages: number) => formatMiB(pages * pageBytes);
  const rows = ranking
    .slice(0, limit)
    .map(({ badness, min, max, oomScoreAdj, oomScore, pid, name }) => [
      mib(badness),
      formatCount(badness),
      `${mib(min)} … ${mib(max)}`,
      String(oomScoreAdj),
      String(oomScore),
      String(pid),
      printable(name),
    ]);
  const hidden = ranking.length - rows.length;
  return [
    colors.bold('Whom the OOM killer would take'),
    ...renderFacts(facts(prediction, options), width, colors),
    '',
    ...(rows.length > 0 ? renderTable(COLUMNS, rows, width, colors) : []),
    ...(hidden > 0 ? [`and ${formatCount(hidden)} more (--limit)`] : []),
    '',
    colors.dim('badness = resident + swapped + page tables + oom_score_adj x total / 1000. Nothing is killed.'),
  ];
}
