import { measureSum } from '../counters/sums.mjs';

export default () => measureSum('approximateSum', 2, 2e6);
