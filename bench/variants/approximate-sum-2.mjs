import { measureSum } from '../sums.mjs';

export default () => measureSum('approximateSum', 2, 2e6);
