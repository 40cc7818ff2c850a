import { describe, expect, it } from 'vitest';
import { groupNames, memoryGroupName } from '../../lib/proc/cgroup-file.js';
import { serviceOf } from '../../lib/proc/service-name.js';

const ID = '3f2a9c41d0be7755aa01c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718';
const POD = '0d5a8e5e-3b3c-4a2f-9a39-1f2e3d4c5b6a';
const POD_ = POD.replaceAll('-', '_');
/** The pod of a manifest on the node's own disk is named by a hash. */
const STATIC_POD = 'c4a1b2c3d4e5f60718293a4b5c6d7e8f';

describe('serviceOf', () => {
  it.each([
    // systemd
    ['/system.slice/nginx.service', 'nginx.service'],
    ['/system.slice/system-getty.slice/getty@tty1.service', 'getty@tty1.service'],
    ['/system.slice/postgresql@15-main.service/sub', 'postgresql@15-main.service'],
    ['/user.slice/user-1000.slice/session-3.scope', 'session-3.scope'],
    ['/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-4711.scope', 'app-firefox-4711.scope'],
    ['/user.slice/user-1000.slice/user@1000.service/init.scope', 'user@1000.service'],
    ['/init.scope', 'init.scope'],
    ['/system.slice/_cgroup.foo.service', 'cgroup.foo.service'],
    ['/machine.slice/machine-debian.scope', 'machine-debian.scope'],
    ['/../system.slice/cron.service', 'cron.service'],
    // Docker: cgroupfs driver, systemd driver, inside a container
    [`/docker/${ID}`, `docker:${ID}`],
    [`/system.slice/docker-${ID}.scope`, `docker:${ID}`],
    [`/system.slice/docker-${ID}.scope/system.slice/nginx.service`, `docker:${ID}`],
    [`/docker/${'a'.repeat(64)}/docker/${ID}`, `docker:${ID}`],
    // containerd, nerdctl
    [`/default/${ID}`, `containerd:${ID}`],
    [`/system.slice/nerdctl-${ID}.scope`, `nerdctl:${ID}`],
    // Podman: as root, rootless, cgroupfs driver
    [`/machine.slice/libpod-${ID}.scope/container`, `podman:${ID}`],
    [`/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`, `podman:${ID}`],
    [`/libpod_parent/libpod-${ID}`, `podman:${ID}`],
    // CRI-O without a pod, LXC
    [`/machine.slice/crio-${ID}.scope`, `crio:${ID}`],
    ['/lxc.payload.web', 'lxc:web'],
    ['/lxc/web', 'lxc:web'],
    // Kubernetes: cgroupfs driver, systemd driver with containerd, CRI-O and Docker, kind, a static pod
    [`/kubepods/burstable/pod${POD}/${ID}`, `pod/${POD}/${ID}`],
    [`/kubepods/pod${POD}/${ID}`, `pod/${POD}/${ID}`],
    [
      `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${POD_}.slice/cri-containerd-${ID}.scope`,
      `pod/${POD}/${ID}`,
    ],
    [`/kubepods.slice/kubepods-pod${POD_}.slice/crio-${ID}.scope`, `pod/${POD}/${ID}`],
    [
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_}.slice/docker-${ID}.scope`,
      `pod/${POD}/${ID}`,
    ],
    [
      `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${POD_}.slice/cri-containerd-${ID}.scope`,
      `pod/${POD}/${ID}`,
    ],
    [`/kubepods/burstable/pod${STATIC_POD}/${ID}`, `pod/${STATIC_POD}/${ID}`],
    [`/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_}.slice`, `pod/${POD}`],
    // none
    ['/', null],
    ['/system.slice', null],
    ['/user.slice/user-1000.slice', null],
    ['/docker', null],
    [`/docker-${ID}.slice`, null],
    ['/podcast', null],
    ['/docker/0123', null],
  ])('%s: %s', (group, service) => {
    expect(serviceOf(group)).toBe(service);
  });
});

describe('the groups of /proc/PID/cgroup', () => {
  it.each([
    ['version 2', '0::/system.slice/a.service\n', ['/system.slice/a.service']],
    ['version 1', '9:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/s/y\n', ['/docker/x', '/s/y']],
    ['hybrid', '5:memory:/m\n1:name=systemd:/s\n0::/u\n', ['/m', '/u', '/s']],
    ['the root', '0::/\n', ['/']],
    ['of a process that has outlived its group', '0::/a.service (deleted)\n', ['/a.service']],
    ['a name with colons', '0::/a:b::c\n', ['/a:b::c']],
    ['nothing', '', []],
    ['damaged', 'x\n0:\n::\n1:memory\n2:memory:relative\n', []],
  ])('%s', (_, text, names) => {
    expect(groupNames(text)).toEqual(names);
  });

  it('tells the one with memory accounting by version', () => {
    const text = '5:hugetlb,memory:/m\n0::/u\n';
    expect([memoryGroupName(text, 1), memoryGroupName(text, 2)]).toEqual(['/m', '/u']);
    expect(memoryGroupName('0::/u\n', 1)).toBeUndefined();
  });
});
