#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs test_refusals.py in a `make check`; skipped (77) where no Python has pytest.
here=$(cd "$(dirname "$0")" && pwd)
GATEHOUSE_BUILD=${GATEHOUSE_BUILD:-$(pwd)}
export GATEHOUSE_BUILD
for python in ${PYTHON3:-} python3 /usr/bin/python3; do
	if "$python" -c 'import pytest' 2>/dev/null; then
		exec "$python" -B -m pytest -q -p no:cacheprovider "$here/test_refusals.py"
	fi
done
echo "no Python with pytest was found" >&2
exit 77
