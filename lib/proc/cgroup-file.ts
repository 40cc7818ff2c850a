/** One line of /proc/PID/cgroup. Source: cgroups(7). */
interface GroupLine {
  /** Of version 1: what the hierarchy controls, `name=…` for one without controllers. Empty for version 2. */
  controllers: string[];
  isUnified: boolean;
  /** Name of the group below its mount; `/` for the root. */
  name: string;
}

function parseLines(text: string): GroupLine[] {
  const lines: GroupLine[] = [];
  for (const line of text.split('\n')) {
    const [, id, controllers = '', name] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    lines.push({
      controllers: controllers.split(','),
      isUnified: id === '0' && controllers === '',
      // A process can outlive its group's directory.
      name: name.replace(/ \(deleted\)$/, ''),
    });
  }
  return lines;
}

/**
 * @param text the content of /proc/PID/cgroup.
 * @returns the name of the group with memory accounting in this version's hierarchy; undefined for none.
 */
export function memoryGroupName(text: string, version: 1 | 2): string | undefined {
  return parseLines(text).find(({ isUnified, controllers }) =>
    version === 2 ? isUnified : controllers.includes('memory'),
  )?.name;
}

/**
 * @param text the content of /proc/PID/cgroup.
 * @returns the names of a process's groups, each once: that with memory accounting first, then version 2's, then systemd's own.
 */
export function groupNames(text: string): string[] {
  const lines = parseLines(text);
  const order = [
    ...lines.filter(({ controllers }) => controllers.includes('memory')),
    ...lines.filter(({ isUnified }) => isUnified),
    ...lines.filter(({ controllers }) => controllers.includes('name=systemd')),
  ];
  return [...new Set(order.map(({ name }) => name))];
}
