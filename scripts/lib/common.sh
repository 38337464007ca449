# What the scripts share. Sourced, never run: it sets the paths, and holds small functions for messages and processes.
# shellcheck shell=bash

set -euo pipefail

OKGATE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OKGATE_CACHE=${OKGATE_CACHE:-$OKGATE_ROOT/.cache}
OKGATE_TARGET=${CARGO_TARGET_DIR:-$OKGATE_ROOT/target}
case $OKGATE_TARGET in /*) ;; *) OKGATE_TARGET=$PWD/$OKGATE_TARGET ;; esac
export OKGATE_ROOT OKGATE_CACHE OKGATE_TARGET
PATH=$PATH:/usr/sbin:/sbin
if [ -x "${HOME:-}/.cargo/bin/cargo" ]; then PATH=$PATH:$HOME/.cargo/bin; fi
export PATH

say() { printf '%s\n' "$*"; }

# Ends the script with a reason and, behind it, what to do. The exit code is 1 unless FAIL_CODE says otherwise.
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "${FAIL_CODE:-1}"
}

# Runs a command as root, with sudo where that is needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "'$1' needs root, and there is no sudo: run this script as root"
  fi
}

# Goes on as root: where this is another user, the script starts again under sudo, with the project's variables.
become_root() {
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || fail "chroots and mounts need root, and there is no sudo: run this script as root"
  local name variables=()
  for name in $(compgen -e); do
    case $name in OKGATE_* | CI | PATH | HOME | CARGO_HOME | RUSTUP_HOME | CARGO_TARGET_DIR) variables+=("$name=${!name}") ;; esac
  done
  exec sudo env "${variables[@]}" "$0" "$@"
}

# The address that this machine's own apt takes Debian's packages from.
debian_mirror() {
  local mirror=${OKGATE_DEBIAN_MIRROR:-}
  if [ -z "$mirror" ]; then
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
      sed -n 's/^Debian|Debian|//p' | head -n 1)
  fi
  if [ -z "$mirror" ]; then
    mirror=$(sed -n 's/^URIs: *\([^ ]*debian\/\{0,1\}\) *$/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*debian\/\{0,1\}\) .*/\2/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  fi
  [ -n "$mirror" ] || fail "apt on this machine names no Debian mirror: set OKGATE_DEBIAN_MIRROR to one"
  say "$mirror"
}

# Installs the packages that a directory's package-lock.json names, into the usual place beside it, from a cache.
npm_packages() {
  local directory=$1 stamp log=$OKGATE_CACHE/npm.log
  [ -f "$directory/package-lock.json" ] || fail "there is no $directory/package-lock.json, so its packages cannot be installed"
  stamp=$directory/node_modules/.complete-$(cat "$directory"/package.json "$directory"/package-lock.json | sha256sum | cut -d' ' -f1)
  if [ -e "$stamp" ]; then return 0; fi
  say "installing: the packages of ${directory#"$OKGATE_ROOT/"}"
  mkdir -p "$OKGATE_CACHE"
  if ! (cd "$directory" && npm ci --cache "$OKGATE_CACHE/npm" --no-audit --no-fund) >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    fail "npm could not install the packages of $directory (all it said: $log)"
  fi
  touch "$stamp"
}

# Whether somebody listens on 127.0.0.1 at a port.
port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Waits until a command succeeds, trying five times a second: wait_until SECONDS PID COMMAND…. Fails when the
# time is over or the process is gone.
wait_until() {
  local deadline=$((SECONDS + $1)) pid=$2
  shift 2
  until "$@"; do
    if ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    sleep 0.2
  done
}

# Ends a process that this script started: first asks, after ten seconds kills. Waits for it.
end_process() {
  local pid=$1 tries=0
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# A duration for people: 75 is "1 min 15 s".
duration() {
  if [ "$1" -ge 60 ]; then say "$(($1 / 60)) min $(($1 % 60)) s"; else say "$1 s"; fi
}
