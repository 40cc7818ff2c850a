import { attach } from './attach.mjs';
import { commandLine } from './command-line.mjs';
import { texts } from './texts.mjs';
import { trees } from './trees.mjs';

/**
 * What is fuzzed. `share`: of all inputs, in thousandths, roughly; `generate(random, corpus)` makes an input that JSON can
 * hold; `check(input, outcomes)` throws where something happened that must not, and counts what did in `outcomes`.
 */
export const targets = [...texts, ...trees, ...attach, ...commandLine];
