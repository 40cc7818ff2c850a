import { measureSum } from '../counters/sums.mjs';

export default () => measureSum('approximateSum', 256, 2e6);
