#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds every policy, and the template, as a third party does: copied to an empty directory, with cc and
# pkg-config alone, against an installed tree; then loads and tests each.
#
# usage: test_out_of_tree.sh SOURCE-DIR ROOT PREFIX
#   ROOT    what `make install DESTDIR=ROOT` was given; "" when it was installed for good
#   PREFIX  configure's
set -eu

[ $# -eq 3 ] || { echo "usage: $0 SOURCE-DIR ROOT PREFIX" >&2; exit 64; }
source=$(cd "$1" && pwd)
root=$2
prefix=$3
# Some installs have several; the one with gatehouse.pc counts.
pc=$(find "$root$prefix" -name gatehouse.pc -path '*pkgconfig*' | head -n 1)
[ -n "$pc" ] || { echo "no gatehouse.pc under $root$prefix" >&2; exit 1; }
lib=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH LD_LIBRARY_PATH
[ -z "$root" ] || export PKG_CONFIG_SYSROOT_DIR="$root"

# A library built with sanitizers needs users built with them.
flags=
if ldd "$lib/libgatehouse.so" | grep -q libasan; then
	flags=-fsanitize=address,undefined
fi
CC=${CC:-cc}
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

one_symbol() {
	symbols=$(nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ { print $3 }')
	[ "$symbols" = gh_plugin ] || { echo "$1 exports: $symbols" >&2; exit 1; }
}

for folder in "$source"/policies/*/; do
	name=$(basename "$folder")
	mkdir "$work/$name"
	cp "$folder"* "$work/$name"
	cd "$work/$name"
	# shellcheck disable=SC2046  # flags are words
	$CC -std=gnu17 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden $flags \
		$(pkg-config --cflags gatehouse) "$name.c" -o "$name.so" $(pkg-config --libs gatehouse)
	# shellcheck disable=SC2046
	$CC -std=gnu17 -Wall -Wextra -Werror $flags $(pkg-config --cflags gatehouse) test.c -o run-test \
		$(pkg-config --libs gatehouse)
	[ -n "$flags" ] || one_symbol "$name.so"
	./run-test 2>log || { cat log >&2; echo "$name: failed" >&2; exit 1; }
	"$root$prefix/bin/gatehouse" plugins --plugin-path "$work/$name" | grep "^$name "
done

mkdir "$work/template"
cp "$source"/sdk/template/* "$work/template"
cd "$work/template"
# Its own Makefile, not part of a make that may be running this.
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s check CC="$CC" CFLAGS="-O2 -Werror $flags"
printf 'plugins:\n  - my_policy: { field: X-Other }\n' >manifest.yaml
"$root$prefix/bin/gatehouse" check --manifest manifest.yaml --plugin-path . | grep my_policy
echo "built out of tree and tested: $(ls "$work" | tr '\n' ' ')"
