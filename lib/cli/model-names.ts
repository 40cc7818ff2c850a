import type { AccountingModel } from '../proc/accounting/model.js';

export const MODEL_NAMES: Record<AccountingModel, string> = {
  'flat-percpu': 'flat counters per CPU',
  'per-thread': 'counters per thread',
  hierarchical: 'hierarchical counters per CPU',
  unknown: 'counters of an unknown kind',
};

/** @returns ' per thread' where a model's worst case is one thread's. */
export function perThread(model: AccountingModel): string {
  return model === 'per-thread' ? ' per thread' : '';
}
