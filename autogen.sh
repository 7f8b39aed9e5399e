#!/bin/sh
# Makes ./configure in a fresh checkout.  A release archive already contains it.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force
