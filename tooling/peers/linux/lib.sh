# Sourced by the scripts of this folder: where things are kept, and what they share.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What `build` makes. May be removed at any time; the next `run` builds it again.
cache=${NVMEOF_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nvmeof-linux-peer}
# One folder per running guest: pid, sockets, console log. The path of a Unix socket has at most
# 107 bytes, so this one should be short. `ctl.mjs` derives the same path.
state_root=${NVMEOF_PEER_STATE:-${TMPDIR:-/tmp}/nvmeof-linux-peer.$(id -u)}
# Which of Debian's kernels the guest runs: `backports`, the newest, or `stable`.
kernel=${NVMEOF_PEER_KERNEL:-backports}

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# The comment at the top of the calling script is its help.
usage() {
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

# The pid of the guest $1, if it runs. A pid file left behind may name some other process by now.
guest_pid() {
  local pid
  pid=$(cat "$state_root/$1/pid" 2>/dev/null) || return 1
  [ -n "$(readlink "/proc/$pid/exe")" ] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$state_root/$1/" || return 1
  echo "$pid"
}
