#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gatehouse in one go: installs what is missing, builds, starts a node with a small backend, and takes one
# API from its OpenAPI file to a metered call.  The node goes on until Ctrl-C; with --once it is stopped
# and the exit code says whether every step answered as it should.
set -euo pipefail
cd "$(dirname "$0")"

once=
case ${1-} in
"") ;;
--once) once=yes ;;
*) echo "usage: ./demo.sh [--once]" >&2; exit 64 ;;
esac
. deploy/demo/kit.sh
limit=5

say "1. Install what is missing, and build (the first time takes a minute)"
build "${GATEHOUSE_DEMO_BUILD:-build/demo}"

say "2. Start a backend and an all-in-one node on embedded storage"
export GATEHOUSE_MGMT_PORT GATEHOUSE_HTTPS_PORT GATEHOUSE_HTTP_PORT GATEHOUSE_ADMIN_PASSWORD
GATEHOUSE_MGMT_PORT=$(pick "${GATEHOUSE_MGMT_PORT:-9443}")
GATEHOUSE_HTTPS_PORT=$(pick "${GATEHOUSE_HTTPS_PORT:-8243}")
GATEHOUSE_HTTP_PORT=$(pick "${GATEHOUSE_HTTP_PORT:-8280}")
GATEHOUSE_ADMIN_PASSWORD=${GATEHOUSE_ADMIN_PASSWORD:-$(openssl rand -hex 12)}
mgmt=https://localhost:$GATEHOUSE_MGMT_PORT
gateway=https://localhost:$GATEHOUSE_HTTPS_PORT
start_backend
start_node node all-in-one
ca=$work/node/tls/self-signed.crt
await_ready "$node" "$mgmt"
echo "node:    $mgmt (process $node)"
echo "backend: $backend"

say "3. Sign in as the administrator"
sign_in

say "4. A business plan of $limit requests a minute, and an API from its OpenAPI file"
make_plan Demo "$limit"
publish_books '["Demo"]'

say "5. An application subscribes and gets a token"
subscribe Reader Demo

say "6. Call the API through the gateway"
request GET "$gateway/books/1.0.0/health" 200
request GET "$gateway/books/1.0.0/books" 401
echo "$body"
started=$(date +%s)
for _ in $(seq "$limit"); do
	request GET "$gateway/books/1.0.0/books" 200 -H "Authorization: Bearer $token"
done
echo "$body"

say "7. Meet the limit"
request GET "$gateway/books/1.0.0/books" 429 -H "Authorization: Bearer $token"
grep -iE '^(retry-after|ratelimit)' "$work/head" || fail "429 without Retry-After"
echo "$body"

say "8. The calls in the analytics"
await_usage "$started" $((limit + 3)) # with the one to /health and the one without a token
printf '\nmemory of the node: %s MB\n' "$(awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$node/status")"

if [ -n "$once" ]; then
	kill "$node"
	wait "$node" || fail "the node ended with exit code $?"
	say "Every step answered as it should."
	exit 0
fi
cat <<TXT

The node goes on until Ctrl-C.
  REST, OAuth 2   $mgmt/api/am/publisher/v4/apis
  metrics         $mgmt/metrics
  gateway         $gateway/books/1.0.0/books
  certificate     $ca
  administrator   admin / $GATEHOUSE_ADMIN_PASSWORD
  a token         $token
TXT
wait "$node"
