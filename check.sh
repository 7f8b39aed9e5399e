#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds with sanitizers, runs every test layer, and ends with the line
# "N passed, N failed".  Output of each layer: build/check/LAYER.log.
# usage: ./check.sh [LAYER ...]     layers: unit refusals integration crash fuzz install dist
set -uo pipefail
cd "$(dirname "$0")"
umask 022 # plugins that others may write are not loaded
top=$PWD
build=$top/build/check      # with sanitizers
plain=$top/build/plain      # as an operator builds it
python=${PYTHON:-/usr/bin/python3}
layers=("$@")
[ ${#layers[@]} -gt 0 ] || layers=(unit refusals integration crash fuzz install dist)
passed=0
failed=0

tools/deps.sh --tests --demo || exit 1
cc=gcc
command -v ccache >/dev/null && cc="ccache gcc"

# configure DIR [options]; make
make_in() {
	local dir=$1
	shift
	mkdir -p "$dir"
	if [ ! -f "$dir/Makefile" ] || [ configure -nt "$dir/Makefile" ]; then
		(cd "$dir" && "$top/configure" CC="$cc" "$@") >"$dir/configure.log" 2>&1 ||
			{ tail -n 30 "$dir/configure.log"; return 1; }
	fi
	make -C "$dir" -j"$(nproc)" >"$dir/make.log" 2>&1 || { tail -n 40 "$dir/make.log"; return 1; }
}

# count N-PASSED N-FAILED NAME SECONDS
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	printf '%-12s %5d passed %5d failed  %4d s\n' "$3" "$1" "$2" "$4"
}

# The counts of a pytest run, from its JUnit report.
pytest_layer() {
	local name=$1 started=$SECONDS report=$build/$1.xml counts
	shift
	rm -f "$report"
	GATEHOUSE_BUILD=$build "$python" -m pytest -q --color=no -p no:cacheprovider --junit-xml="$report" "$@" \
		>"$build/$name.log" 2>&1
	local code=$?
	counts=$("$python" - "$report" <<'PY' 2>/dev/null
import sys, xml.etree.ElementTree as et
s = next(et.parse(sys.argv[1]).getroot().iter("testsuite"))
bad = int(s.get("failures")) + int(s.get("errors"))
print(int(s.get("tests")) - bad - int(s.get("skipped")), bad)
PY
	) || counts="0 1"
	read -r ok bad <<<"$counts"
	[ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$bad" -eq 0 ] || grep -E '^(FAILED|ERROR|E  )' "$build/$name.log" | head -n 60
	count "$ok" "$bad" "$name" $((SECONDS - started))
}

# A layer that is one command: it passes or fails as a whole.
command_layer() {
	local name=$1 started=$SECONDS
	shift
	if "$@" >"$build/$name.log" 2>&1; then
		count 1 0 "$name" $((SECONDS - started))
	else
		tail -n 40 "$build/$name.log"
		count 0 1 "$name" $((SECONDS - started))
	fi
}

layer_unit() { # CUnit programs, walls, exported symbols: what `make check` runs
	local started=$SECONDS
	make -C "$build" -k -j"$(nproc)" check >"$build/unit.log" 2>&1
	local code=$? ok bad
	ok=$(sed -n 's/^# PASS: *//p' "$build/unit.log" | tail -n 1)
	bad=$(($(sed -n 's/^# FAIL: *//p' "$build/unit.log" | tail -n 1) + $(sed -n 's/^# ERROR: *//p' "$build/unit.log" | tail -n 1)))
	[ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	if [ "$bad" -gt 0 ]; then
		grep -E '^(FAIL|ERROR):|error:|\*\*\*' "$build/unit.log" | head -n 30
		sed -n 's/^FAIL: \([^ ]*\)$/\1/p' "$build/unit.log" | while read -r t; do
			echo "--- $t"; tail -n 25 "$build/$t.log"
		done
	fi
	count "${ok:-0}" "$bad" unit $((SECONDS - started))
}
layer_refusals() { pytest_layer refusals tests/bad; }
layer_integration() { pytest_layer integration tests/integration --ignore=tests/integration/test_crash.py; }
layer_crash() { pytest_layer crash tests/integration/test_crash.py; }
fuzz_all() { # the same inputs every time; `make fuzz` looks for new ones, `make check` replays the corpora
	local cc="clang"
	make_in "$top/build/fuzz" --enable-fuzzers --enable-sanitizers || return 1
	make -C "$top/build/fuzz" -j"$(nproc)" fuzz FUZZ_ARGS="-seed=1 -runs=20000"
}
layer_fuzz() { command_layer fuzz fuzz_all; }
layer_install() { # an installation, a policy built against it alone, and the demo
	make_in "$plain" --prefix="$plain/root" || { count 0 1 install 0; return; }
	make -C "$plain" install DESTDIR="$plain/dest" >"$build/out-of-tree.log" 2>&1 ||
		{ tail -n 20 "$build/out-of-tree.log"; count 0 1 install 0; return; }
	command_layer out-of-tree tests/integration/test_out_of_tree.sh . "$plain/dest" "$plain/root"
	command_layer demo env GATEHOUSE_DEMO_BUILD="$plain" ./demo.sh --once
}
layer_dist() { command_layer distcheck make -C "$plain" distcheck; }

started=$SECONDS
mkdir -p "$build"
./autogen.sh >"$build/autogen.log" 2>&1 || { cat "$build/autogen.log"; exit 1; }
# Builds beside the source need a source tree that holds none.
[ ! -f config.status ] || { echo "make distclean"; make distclean >"$build/distclean.log" 2>&1 || exit 1; }
make_in "$build" --enable-developer --enable-sanitizers || { echo "the build failed"; echo "0 passed, 1 failed"; exit 1; }
printf '%-12s %34d s\n' build $((SECONDS - started))
for layer in "${layers[@]}"; do
	declare -F "layer_$layer" >/dev/null || { echo "check.sh: no layer \"$layer\"" >&2; exit 64; }
	"layer_$layer"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
