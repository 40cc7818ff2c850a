#!/usr/bin/env bash
# Boots a Linux with many CPUs under QEMU's software emulation, runs a command in it and ends with its exit status.
#
#   boot.sh CPUS DIRECTORY COMMAND…
#
# DIRECTORY is put at /work in the guest, which also has this machine's Node and the libraries that Node and the
# executables and addons in DIRECTORY need. COMMAND runs there as root, in sh; its output is this script's. What it leaves
# in /out comes to the folder OUT. Exit status 124: the guest never finished, the end of its console is shown; 125: what it
# takes to boot one cannot be had here.
#
# For x86-64 Debian 12 as root: the missing packages are installed, QEMU 10 and kernels are fetched from Debian's archive
# and unpacked into a cache, not installed. Nothing but Debian's mirror is contacted.
#
# Environment, all optional:
#   KERNEL=6.12    6.1 | 6.12 | 6.16 | 6.17 | 7.3 | … , or the path of a vmlinux
#   SMP=           another topology, e.g. 256,sockets=2,cores=64,threads=2, or 8,sockets=32,cores=8,maxcpus=256: 8 of 256
#                  possible CPUs online
#   NUMA=1         NUMA nodes: CPUs and memory in equal parts
#   APPEND=        more kernel arguments, e.g. maxcpus=16: the others present but offline
#   MEM=           e.g. 6G; default by the number of CPUs
#   TIMEOUT=400    seconds
#   OUT=           folder for what the guest left in /out
#   PERCPU_MANYCORE_CACHE=~/.cache/percpu-manycore
set -euo pipefail

usage() { sed -n '2,/^set -eu/{/^#/p}' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }
[ $# -ge 3 ] || usage
[[ $1 =~ ^[0-9]+$ ]] || usage
cpus=$1 directory=$2
shift 2
kernel=${KERNEL:-6.12}
cache=${PERCPU_MANYCORE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/percpu-manycore}
mkdir -p "$cache"
cache=$(realpath "$cache")

say() { echo "boot.sh: $*" >&2; }

# Debian's packages of this release; QEMU's own is there for the shared libraries it brings.
install_packages() {
  local missing=() package
  for package in qemu-system-x86 seabios busybox-static cpio zstd lz4 xz-utils python3; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    >"$cache/apt.log" 2>&1 || { tail -5 "$cache/apt.log" >&2; exit 125; }
}

# Points apt at newer releases, through a configuration of its own: the system's stays as it is.
use_newer_releases() {
  local apt=$cache/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
  if [ ! -f "$apt/apt.conf" ]; then
    local mirror suite
    mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; } |
      sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | grep -v security | sed -n 1p)
    for suite in bookworm-backports trixie trixie-backports; do
      echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$apt/sources.list"
    printf '%s;\n' "Dir::Etc::sourcelist \"$apt/sources.list\"" "Dir::Etc::sourceparts \"$apt/parts\"" \
      "Dir::State::lists \"$apt/lists\"" "Dir::Cache \"$apt/cache\"" 'APT::Sandbox::User "root"' >"$apt/apt.conf.new"
    APT_CONFIG=$apt/apt.conf.new apt-get update -qq
    mv "$apt/apt.conf.new" "$apt/apt.conf"
  fi
  export APT_CONFIG=$apt/apt.conf
}

fetch_qemu() {
  [ ! -x "$cache/qemu10/usr/bin/qemu-system-x86_64" ] || return 0
  say 'fetching QEMU 10'
  (
    use_newer_releases
    cd "$(mktemp -d)"
    version=$(apt-cache madison qemu-system-x86 | awk '/bookworm-backports/ && !found++ { print $3 }')
    for package in qemu-system-x86 qemu-system-common qemu-system-data; do apt-get download -qq "$package=$version"; done
    for archive in *.deb; do dpkg-deb -x "$archive" "$cache/qemu10.new"; done
    rm -rf "$cache/qemu10"
    mv "$cache/qemu10.new" "$cache/qemu10"
    rm -rf "$PWD"
  )
}

# Takes the uncompressed kernel out of a bzImage: QEMU enters that directly (PVH), far faster than the kernel unpacks itself
# under emulation. Sources of the offsets: Documentation/arch/x86/boot.rst.
unpack_kernel() {
  python3 - "$1" "$2" <<'PY'
import struct, subprocess, sys
image = open(sys.argv[1], 'rb').read()
setup_sectors = image[0x1f1] or 4
offset, length = struct.unpack_from('<II', image, 0x248)
start = (setup_sectors + 1) * 512 + offset
payload = image[start:start + length - 4]
unpackers = {b'\x28\xb5': ['zstd', '-dcq'], b'\x02\x21': ['lz4', '-dcq'], b'\xfd7': ['xz', '-dcq'], b'\x1f\x8b': ['gzip', '-dcq']}
# Some formats end with bytes the tools complain about: what they wrote is judged instead.
elf = subprocess.run(unpackers[payload[:2]], input=payload, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
assert elf[:4] == b'\x7fELF' and len(elf) > 1 << 24, (len(elf), payload[:4])
open(sys.argv[2], 'wb').write(elf)
PY
}

fetch_kernel() {
  if [ -f "$kernel" ]; then vmlinux=$kernel; return; fi
  vmlinux=$cache/vmlinux-$kernel
  [ ! -f "$vmlinux" ] || return 0
  say "fetching kernel $kernel"
  (
    cd "$(mktemp -d)"
    if [ "$kernel" = 6.1 ]; then
      package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-6.1/ { print $2 }')
    else
      use_newer_releases
      package=$(apt-cache pkgnames "linux-image-$kernel" | grep -E "^linux-image-${kernel//./\\.}[.+].*cloud-amd64$" | sort -V | tail -1) || true
    fi
    [ -n "$package" ] || { say "Debian has no kernel $kernel"; exit 125; }
    # Either the image itself, or a package of its own from 7.x on, holds vmlinuz.
    for name in "$package" "${package/linux-image-/linux-binary-}"; do apt-get download -qq "$name" 2>/dev/null || true; done
    for archive in *.deb; do dpkg-deb -x "$archive" unpacked; done
    say "kernel ${package#linux-image-}"
    unpack_kernel "$(find unpacked -name "vmlinuz*" -print -quit)" "$vmlinux.new"
    mv "$vmlinux.new" "$vmlinux"
    rm -rf "$PWD"
  )
}

# The shared libraries of an executable, to the same places in the guest.
add_libraries() {
  { ldd "$1" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | sort -u | while read -r library; do
    # What is for another C library has paths in its complaints.
    { [ -f "$library" ] && [ ! -e "$guest$library" ]; } || continue
    mkdir -p "$guest$(dirname "$library")"
    cp -L "$library" "$guest$library"
  done
}

# The guest's file system: busybox, Node, DIRECTORY.
make_guest() {
  mkdir -p "$guest"/{bin,dev,proc,sys,tmp,run,etc,out,work,usr/bin}
  cp /bin/busybox "$guest/bin/"
  cp -L "$(command -v node)" "$guest/usr/bin/node"
  add_libraries "$guest/usr/bin/node"
  cp -a "$directory"/. "$guest/work/"
  find "$guest/work" -type f \( -name '*.node' -o -name '*.so*' -o -perm -100 \) | while read -r file; do add_libraries "$file"; done
  printf '%s\n' "$*" >"$guest/work.cmd"
  cat >"$guest/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp NO_COLOR=1
/bin/busybox mkdir -p /sbin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t devpts pts /dev/pts
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
ip link set lo up 2>/dev/null
hostname manycore
dmesg -n 1
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
echo "MANYCORE begun."
cd /work
sh /work.cmd >/dev/ttyS1 2>&1 </dev/null
status=$?
cd /
[ -n "$(ls -A /out)" ] && tar cf - -C /out . >/dev/ttyS2
read uptime _ </proc/uptime
echo "MANYCORE done uptime=$uptime status=$status."
sleep 0.2
echo b >/proc/sysrq-trigger
poweroff -f
INIT
  chmod 755 "$guest/init"
  (cd "$guest" && find . | cpio --quiet -o -H newc -R 0:0) >"$guest.cpio"
}

boot_guest() {
  local smp=${SMP:-$cpus} possible=$cpus numa=${NUMA:-1} mem=${MEM:-} qemu=$cache/qemu10
  case $smp in *maxcpus=*) possible=${smp##*maxcpus=}; possible=${possible%%,*} ;; esac
  : "${mem:=$(((2048 + 16 * possible + 1023) / 1024))G}"
  local arguments=(-nodefaults -display none -no-reboot -machine q35 -cpu max -smp "$smp" -m "$mem" -accel tcg,thread=multi
    -L "$qemu/usr/share/qemu" -L /usr/share/seabios -kernel "$vmlinux" -initrd "$guest.cpio")
  # Beyond 255 CPUs interrupts need remapping, which the smaller and faster firmware does not know.
  if [ "$possible" -gt 255 ] || [[ $smp == *,* ]]; then
    arguments+=(-machine kernel-irqchip=split -device intel-iommu,intremap=on,eim=on)
  else
    arguments+=(-bios "$qemu/usr/share/qemu/qboot.rom")
  fi
  if [ "$numa" -gt 1 ]; then
    local node megabytes=$((${mem%G} * 1024 / numa))
    for ((node = 0; node < numa; node++)); do
      arguments+=(-object "memory-backend-ram,id=m$node,size=${megabytes}M"
        -numa "node,nodeid=$node,memdev=m$node,cpus=$((possible * node / numa))-$((possible * (node + 1) / numa - 1))")
    done
  fi
  local console=$guest.console started status attempt
  # Under emulation a kernel that starts hundreds of CPUs now and then dies of its own races before it has run anything.
  for attempt in 1 2 3; do
    started=$SECONDS
    : >"$console"
    timeout -k 5 "${TIMEOUT:-400}" "$qemu/usr/bin/qemu-system-x86_64" "${arguments[@]}" \
      -append "console=ttyS0 quiet rootfstype=ramfs panic=-1 oops=panic reboot=t nokaslr cpuhp.parallel=0 lpj=4000000 tsc=reliable no_timer_check nowatchdog mitigations=off rcupdate.rcu_cpu_stall_suppress=1 audit=0 random.trust_cpu=on ${APPEND:-}" \
      -chardev "file,id=console,path=$console" -chardev stdio,id=output,signal=off -chardev "file,id=out,path=$guest.tar" \
      -serial chardev:console -serial chardev:output -serial chardev:out </dev/null || true
    if [ "$attempt" = 3 ] || grep -aq 'MANYCORE begun' "$console"; then break; fi
    say "the kernel did not come up (attempt $attempt): $(grep -aoE 'Kernel panic.*|BUG:.*|Oops:.*' "$console" | sed -n 1p)"
  done
  status=$(grep -ao 'MANYCORE done .*status=[0-9]*' "$console" | sed 's/.*status=//' | tail -1) || true
  say "$smp CPUs, kernel $kernel: $((SECONDS - started)) s, status ${status:-none}"
  if [ -n "${OUT:-}" ] && [ -s "$guest.tar" ]; then
    mkdir -p "$OUT"
    tar xf "$guest.tar" -C "$OUT"
  fi
  if [ -z "$status" ]; then
    say 'the guest did not finish; the end of its console:'
    tail -25 "$console" >&2
    exit 124
  fi
  exit "$status"
}

trap '[ $? -eq 0 ] || exit 125' EXIT
install_packages
fetch_qemu
fetch_kernel
guest=$(mktemp -d "$cache/guest.XXXXXX")
trap 'rm -rf "$guest" "$guest".*' EXIT
make_guest "$@"
boot_guest
