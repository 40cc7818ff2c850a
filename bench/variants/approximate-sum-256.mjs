import { measureSum } from '../sums.mjs';

export default () => measureSum('approximateSum', 256, 2e6);
