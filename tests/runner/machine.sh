#!/bin/sh
# Runs a command in a Debian root as on a machine that also has Rust:
#   machine.sh ROOT USER HOME TOOLCHAIN REGISTRY COMMAND...
#
# It needs a mount namespace of its own (unshare --mount). The Rust toolchain and cargo's registry are mounted
# read-only, so cargo works offline; of the environment nothing is passed on.
set -eu
root="$1" user="$2" home="$3" toolchain="$4" registry="$5"
shift 5

mount_read_only() {
  mkdir -p "$2"
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}
mount --make-rprivate /
mount_read_only "$toolchain" "$root/opt/rust"
mount_read_only "$registry" "$root/opt/cargo/registry"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
# Not chroot alone: in a changed root the kernel refuses user namespaces.
mount --rbind "$root" "$root"
cd "$root"
mkdir -p old
pivot_root . old
umount --lazy /old
exec chroot --userspec="$user" / /usr/bin/env -i HOME="$home" PATH=/opt/rust/bin:/usr/bin:/bin:/usr/sbin:/sbin \
  CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true "$@"
