import { measureSum } from '../counters/sums.mjs';

export default () => measureSum('preciseSum', 256, 2e4);
