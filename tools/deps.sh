#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building Gatehouse needs, by Debian package name; with --tests what the tests need too,
# with --bench what the benchmark compares with, with --cluster the balancer of deploy/patterns.  Prints
# nothing and needs no rights when all is there.
set -euo pipefail

build=(build-essential autoconf automake libtool pkg-config autoconf-archive ca-certificates
	libmicrohttpd-dev libgnutls28-dev libleveldb-dev libmsgpack-dev libuv1-dev libjansson-dev
	libyaml-dev libargon2-dev libc-ares-dev libxxhash-dev libcurl4-gnutls-dev libzip-dev)
tests=(libcunit1-dev python3 python3-pytest python3-requests python3-yaml python3-jwt python3-cryptography
	curl jq git clang libclang-rt-dev xz-utils procps haproxy)
demo=(curl jq python3 openssl)
cluster=(haproxy)
bench=(nginx-light haproxy wrk curl jq procps python3)

usage() {
	echo "usage: tools/deps.sh [--tests] [--demo] [--cluster] [--bench]" >&2
	exit 64
}

packages=("${build[@]}")
for arg in "$@"; do
	case $arg in
	--tests) packages+=("${tests[@]}") ;;
	--demo) packages+=("${demo[@]}") ;;
	--cluster) packages+=("${cluster[@]}") ;;
	--bench) packages+=("${bench[@]}") ;;
	*) usage ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "tools/deps.sh: not a Debian system; install the equivalents of: ${packages[*]}" >&2
	exit 0
fi

missing=()
for p in "${packages[@]}"; do
	# A versioned package may stand in for an unversioned name (libclang-rt-14-dev).
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root=(sudo)
	else
		echo "tools/deps.sh: missing packages: ${missing[*]}" >&2
		echo "tools/deps.sh: install them as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
fi
export DEBIAN_FRONTEND=noninteractive
# Servers come along for the tests and the benchmark; none of them shall start by itself.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ] && [ ${#as_root[@]} -eq 0 ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes
fi
trap '[ -z "$made_policy" ] || rm -f "$policy"' EXIT
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
