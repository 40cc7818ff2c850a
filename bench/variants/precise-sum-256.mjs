import { measureSum } from '../sums.mjs';

export default () => measureSum('preciseSum', 256, 2e4);
