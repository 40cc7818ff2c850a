// Parsers of one text: CPU lists, the auxiliary vector, the files of a process.
import { formatCpuList, MAX_CPU_NUMBER, parseCpuList } from '../../../dist/cpu/cpu-list.js';
import { parseAuxvPageBytes } from '../../../dist/native/page-bytes.js';
import { parseInteger, parseRollup, parseStat, parseStatm, parseStatus } from '../../../dist/proc/files/proc-text.js';
import { mutateText } from '../inputs.mjs';
import { attempt, note, require, requireAscendingIntegers, requireCounts } from '../verdict.mjs';

const ofText = (name, share, check, generate = mutateText) => ({ name, share, corpus: 'texts', generate, check });

/** Parsers that answer `undefined` instead of throwing. */
const quiet = (name, share, parse, verify) =>
  ofText(name, share, (text, outcomes) => {
    const answer = parse(text);
    note(outcomes, answer === undefined ? 'refused' : 'answered');
    if (answer !== undefined) verify(answer, text);
  });

const auxvBytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** Lists of a million CPUs are read as others are, and take a thousand times as long: few of them. */
const shorten = (random, text) =>
  text.replace(/\d{4,}/g, (digits) => (random(500) === 0 ? digits : digits.slice(0, 4)));

export const texts = [
  ofText(
    'cpu-list',
    250,
    (text, outcomes) => {
      const cpus = attempt(outcomes, 'parseCpuList', () => parseCpuList(text));
      if (cpus === undefined) return;
      requireAscendingIntegers(cpus, 0, MAX_CPU_NUMBER, 'parseCpuList');
      // Long lists are told apart by their ends; everything else is compared.
      const again = parseCpuList(formatCpuList(cpus.slice(0, 1000)));
      require(again.every((cpu, i) => cpu === cpus[i]), 'what formatCpuList wrote reads differently');
    },
    (random, corpus) => shorten(random, mutateText(random, corpus)),
  ),
  quiet(
    'auxv',
    100,
    (text) => parseAuxvPageBytes(auxvBytes(text), text.length % 2 === 0),
    (bytes) => require(bytes > 0 && Number.isInteger(Math.log2(bytes)), `pages of ${bytes} bytes`),
  ),
  quiet('stat', 120, parseStat, (stat, text) => {
    requireCounts(stat, ['pid', 'threads', 'startTicks', 'rssPages'], 'stat');
    require(typeof stat.kernelThread === 'boolean' && /^[A-Za-z]$/.test(stat.state), 'stat.state');
    require(text.includes(`(${stat.name})`), 'stat.name is not in the text');
  }),
  quiet('statm', 80, parseStatm, (statm) =>
    requireCounts(statm, ['sizePages', 'residentPages', 'sharedPages'], 'statm'),
  ),
  quiet('status', 80, parseStatus, (status) =>
    requireCounts(status, ['fileKiB', 'shmemKiB', 'swapKiB', 'pageTableKiB'], 'status'),
  ),
  quiet('rollup', 60, parseRollup, (rssKiB) => requireCounts({ rssKiB }, ['rssKiB'], 'rollup')),
  quiet('integer', 40, parseInteger, (value) => require(Number.isSafeInteger(value), `integer ${value}`)),
];
