import { readTreeFile } from '../regular-file.js';

/** The kernel kills the process with the highest badness or the process that asks for memory, or it panics. */
export type OomPolicy = 'badness' | 'allocating-task' | 'panic';

/** @returns undefined if it cannot be read: procfs mounted with subset=pid has no `sys`. */
function readSetting(root: string, name: string): number | undefined {
  const text = readTreeFile(`${root}/sys/vm/${name}`)?.trim() ?? '';
  return /^\d$/.test(text) ? Number(text) : undefined;
}

/**
 * `vm.panic_on_oom` of 1 does not apply to groups, 2 does; `vm.oom_kill_allocating_task` applies to the machine alone.
 *
 * Sources: Documentation/admin-guide/sysctl/vm.rst; out_of_memory() and check_panic_on_oom() of mm/oom_kill.c.
 *
 * @param isGroup whether a group runs out of memory, not the machine.
 * @returns the policy, 'badness' if it cannot be read, and whether it is known.
 */
export function readOomPolicy(root: string, isGroup: boolean): { policy: OomPolicy; isKnown: boolean } {
  const panic = readSetting(root, 'panic_on_oom');
  if (panic === 2 || (panic === 1 && !isGroup)) return { policy: 'panic', isKnown: true };
  const allocating = isGroup ? 0 : readSetting(root, 'oom_kill_allocating_task');
  const isKnown = panic !== undefined && allocating !== undefined;
  return { policy: allocating ? 'allocating-task' : 'badness', isKnown };
}
