// What a control group's path says of whom its processes belong to. Runtimes name the groups they make after the container;
// systemd names them after the unit. Sources: systemd.unit(5), systemd.slice(5); docker run --cgroup-parent; the naming of
// cri-containerd, CRI-O, Podman (libpod) and of the kubelet's cgroup manager (pkg/kubelet/cm of Kubernetes).

const ID = '[0-9a-f]{64}';

/** Scopes of the systemd cgroup driver: PREFIX-ID.scope. */
const RUNTIMES: Record<string, string> = {
  docker: 'docker',
  'cri-containerd': 'containerd',
  nerdctl: 'nerdctl',
  crio: 'crio',
  libpod: 'podman',
};

const SCOPED = new RegExp(`^(${Object.keys(RUNTIMES).join('|')})-(${ID})(?:\\.scope)?$`);
const PLAIN_ID = new RegExp(`^${ID}$`);

/** kubepods-burstable-podUID.slice, with _ for - in the UID, or podUID. */
const POD =
  /(?:^|-)pod([0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$/;

const UNIT = /\.(?:service|scope)$/;

/** A unit's name may begin like one of the kernel's files; systemd then puts `_` before it. */
function unitOf(part: string): string {
  return part.startsWith('_') ? part.slice(1) : part;
}

/** @returns the container that a part names, as runtime and id. */
function containerOf(part: string, parent: string | undefined): { runtime: string; id: string } | undefined {
  const [, prefix, scopedId] = SCOPED.exec(part) ?? [];
  if (prefix && scopedId) return { runtime: RUNTIMES[prefix]!, id: scopedId };
  // The cgroupfs driver makes /docker/ID; containerd makes /NAMESPACE/ID.
  if (PLAIN_ID.test(part)) return { runtime: parent === 'docker' ? 'docker' : 'containerd', id: part };
  const [, lxc] = /^lxc\.payload\.(.+)$/.exec(part) ?? [];
  if (lxc) return { runtime: 'lxc', id: lxc };
  return parent === 'lxc' ? { runtime: 'lxc', id: part } : undefined;
}

/**
 * @param group a control group's name, as /proc/PID/cgroup prints it.
 * @returns `pod/UID/CONTAINER` or `pod/UID` of Kubernetes, `RUNTIME:ID` of a container (docker, containerd, nerdctl, crio, podman,
 *   lxc), a systemd unit such as `nginx.service`, the innermost one; null where the path names none of them.
 */
export function serviceOf(group: string): string | null {
  const parts = group.split('/').filter((part) => part !== '' && part !== '..');
  let unit: string | null = null;
  for (let at = parts.length - 1; at >= 0; at--) {
    const part = parts[at]!;
    const container = containerOf(part, parts[at - 1]);
    const [, uid] = POD.exec((container ? parts[at - 1] : part) ?? '') ?? [];
    if (uid) return `pod/${uid.replaceAll('_', '-')}${container ? `/${container.id}` : ''}`;
    if (container) return `${container.runtime}:${container.id}`;
    // A service manager keeps itself in init.scope below its own unit.
    if (UNIT.test(part) && (unit === null || unit === 'init.scope')) unit = unitOf(part);
  }
  return unit;
}
