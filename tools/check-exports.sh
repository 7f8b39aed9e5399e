#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks what built objects export: a plugin exactly one symbol, gh_plugin; the library only gh_*.
#
# usage: check-exports.sh [BUILD-DIR]
set -eu
cd "${1:-.}"

exported() {
	nm -D --defined-only "$1" | awk '$2 ~ /^[A-Z]$/ { print $3 }'
}

status=0
count=0
for so in plugins/*/.libs/*.so store/*/.libs/*.so policies/*/.libs/*.so; do
	[ -e "$so" ] || continue
	count=$((count + 1))
	symbols=$(exported "$so" | tr '\n' ' ')
	if [ "$symbols" != "gh_plugin " ]; then
		echo "$so exports '$symbols' where gh_plugin alone is allowed"
		status=1
	fi
done
others=$(exported .libs/libgatehouse.so | grep -v '^gh_' || true)
if [ -n "$others" ]; then
	echo ".libs/libgatehouse.so exports more than gh_*:" $others
	status=1
fi
[ "$count" -gt 0 ] || { echo "no plugin was built" >&2; exit 77; }
echo "$count plugins looked at"
exit $status
