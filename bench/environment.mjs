// What a result means nothing without.
import os from 'node:os';

/** @returns {{ cpu: string, cpus: number, kernel: string, node: string, v8: string, date: string }} */
export function environment() {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cpus: os.availableParallelism(),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    v8: process.versions.v8,
    date: new Date().toISOString(),
  };
}
