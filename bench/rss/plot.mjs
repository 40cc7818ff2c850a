// Worst error against CPUs as an SVG, drawn by Vega-Lite.
import * as vega from 'vega';
import { compile } from 'vega-lite';
import { mib } from '../command-line.mjs';
import { THREADS } from './replay.mjs';

// Okabe and Ito's colours, which people with every kind of colour vision tell apart. `dy` keeps labels off each other.
const SERIES = [
  { key: 'flat', label: 'flat counter, Linux 6.2 and later', colour: '#d55e00', dash: [1, 0], dy: 0 },
  { key: 'documentedBound', label: 'tree, bound as documented', colour: '#8a5aa8', dash: [2, 3], dy: -8 },
  { key: 'tightBound', label: 'tree, tight bound', colour: '#0072b2', dash: [7, 3], dy: 2 },
  { key: 'tree', label: 'counter tree', colour: '#0072b2', dash: [1, 0], dy: 3 },
  { key: 'perThread', label: `per thread, before 6.2; ${THREADS} threads`, colour: '#777777', dash: [1, 0], dy: 0 },
];

const PUBLISHED = [
  { cpus: 384, mib: 1e9 / 2 ** 20, label: 'published: 1 GB' },
  { cpus: 384, mib: 80e6 / 2 ** 20, label: 'published: 80 MB' },
];

const PADDING = { left: 84, top: 64, right: 216, bottom: 52 };
const INK = '#111111';

/** One scheme or bound: its line, and its name where the line ends. */
function lineLayers({ key, label, colour, dash, dy }, points) {
  const values = points.map((point) => ({ cpus: point.cpus, mib: mib(point[key]) }));
  return [
    { data: { values }, mark: { type: 'line', strokeWidth: 2, color: colour, strokeDash: dash } },
    {
      data: { values: [values.at(-1)] },
      mark: { type: 'text', text: label, align: 'left', baseline: 'middle', dx: 8, dy, fontSize: 12, color: colour },
    },
  ];
}

const publishedLayers = [
  { data: { values: PUBLISHED }, mark: { type: 'point', shape: 'cross', size: 70, filled: true, color: INK } },
  {
    data: { values: PUBLISHED },
    mark: { type: 'text', align: 'left', baseline: 'middle', dx: 8, dy: 1, fontSize: 11, color: INK },
    encoding: { text: { field: 'label' } },
  },
];

/**
 * @param {{ cpus: number, flat: number, perThread: number, tree: number, tightBound: number, documentedBound: number }[]}
 *   points pages, by number of CPUs.
 * @returns {Promise<string>} the SVG text.
 */
export async function plotWorstErrors(points) {
  const spec = {
    background: 'white',
    // Without a screen Vega guesses how wide texts are; room for them is given here instead.
    autosize: 'none',
    padding: PADDING,
    width: 560,
    height: 380,
    title: {
      text: 'How wrong a fast read of one RSS counter can be',
      subtitle: 'Worst error while a few threads hop over all CPUs, mapping and unmapping memory',
      anchor: 'start',
      fontSize: 15,
      subtitleFontSize: 12,
      subtitleColor: '#555555',
      offset: 12,
    },
    config: { font: 'Helvetica, Arial, sans-serif', axis: { labelFontSize: 11, titleFontSize: 12 } },
    encoding: {
      x: {
        field: 'cpus',
        type: 'quantitative',
        title: 'CPUs',
        scale: { type: 'log', base: 2, domain: [2, 1024] },
        axis: { values: [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024], format: ',d', gridColor: '#eeeeee' },
      },
      y: {
        field: 'mib',
        type: 'quantitative',
        title: 'error, MiB (pages of 4 KiB)',
        scale: { type: 'log', domain: [0.2, 10_000] },
        axis: { values: [1, 10, 100, 1000, 10_000], format: ',d', gridColor: '#e4e4e4' },
      },
    },
    layer: [...SERIES.flatMap((series) => lineLayers(series, points)), ...publishedLayers],
  };
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  return `${await view.toSVG()}\n`;
}
