#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gatehouse in one go: installs what is missing, builds, starts a node with a small backend, and takes one
# API from its OpenAPI file to a metered call.  The node goes on until Ctrl-C; with --once it is stopped
# and the exit code says whether every step answered as it should.
set -euo pipefail
cd "$(dirname "$0")"
umask 022 # plugins that others may write are not loaded

once=
case ${1-} in
"") ;;
--once) once=yes ;;
*) echo "usage: ./demo.sh [--once]" >&2; exit 64 ;;
esac

build=${GATEHOUSE_DEMO_BUILD:-build/demo}
limit=5

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() {
	printf '\nThe demo failed: %s\n' "$*" >&2
	[ ! -s "${work:-/nonexistent}/node.log" ] || { echo "--- the node's last lines:"; tail -n 20 "$work/node.log"; } >&2
	exit 1
}

pids=()
stop() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	[ -z "${work-}" ] || rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# --- Install and build ---------------------------------------------------------------------------
say "1. Install what is missing, and build (the first time takes a minute)"
tools/deps.sh --demo
[ -x configure ] || ./autogen.sh >/dev/null 2>&1 || fail "./autogen.sh"
# Builds beside the source need a source tree that holds none.
[ ! -f config.status ] || { echo "make distclean"; make distclean >/dev/null 2>&1 || fail "make distclean"; }
mkdir -p "$build"
top=$PWD
work=$(mktemp -d)
if [ ! -f "$build/Makefile" ] || [ configure -nt "$build/Makefile" ]; then
	(cd "$build" && "$top/configure" --prefix="$PWD/root" >configure.out 2>&1) ||
		{ tail -n 20 "$build/configure.out" >&2; fail "configure"; }
fi
make -C "$build" -j"$(nproc)" install >"$build/make.out" 2>&1 || { tail -n 30 "$build/make.out" >&2; fail "make"; }
prefix=$(cd "$build/root" && pwd)
"$prefix/bin/gatehouse" version

# --- Start -----------------------------------------------------------------------------------------
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
pick() { # the first free one of PORT, PORT + 1000, ...
	local port=$1
	while ! is_free "$port"; do port=$((port + 1000)); [ "$port" -lt 65000 ] || fail "no free port"; done
	echo "$port"
}
say "2. Start a backend and an all-in-one node on embedded storage"
python3 deploy/demo/backend.py 0 >"$work/backend.port" &
pids+=($!)
export GATEHOUSE_MGMT_PORT GATEHOUSE_HTTPS_PORT GATEHOUSE_HTTP_PORT GATEHOUSE_ADMIN_PASSWORD
GATEHOUSE_MGMT_PORT=$(pick "${GATEHOUSE_MGMT_PORT:-9443}")
GATEHOUSE_HTTPS_PORT=$(pick "${GATEHOUSE_HTTPS_PORT:-8243}")
GATEHOUSE_HTTP_PORT=$(pick "${GATEHOUSE_HTTP_PORT:-8280}")
GATEHOUSE_ADMIN_PASSWORD=${GATEHOUSE_ADMIN_PASSWORD:-$(openssl rand -hex 12)}
mgmt=https://localhost:$GATEHOUSE_MGMT_PORT
gateway=https://localhost:$GATEHOUSE_HTTPS_PORT
"$prefix/bin/gatehouse" run --manifest "$prefix/share/gatehouse/manifests/all-in-one.yaml" \
	--state "$work/state" >"$work/node.log" 2>&1 &
node=$!
pids+=("$node")
ca=$work/state/tls/self-signed.crt
for _ in $(seq 200); do
	curl -sf --cacert "$ca" "$mgmt/readyz" >/dev/null 2>&1 && break
	kill -0 "$node" 2>/dev/null || fail "the node did not start"
	sleep 0.05
done
curl -sf --cacert "$ca" "$mgmt/readyz" >/dev/null || fail "the node is not ready"
for _ in $(seq 100); do [ -s "$work/backend.port" ] && break; sleep 0.05; done
[ -s "$work/backend.port" ] || fail "the backend did not start"
backend=http://127.0.0.1:$(cat "$work/backend.port")
echo "node:    $mgmt (process $node)"
echo "backend: $backend"

# --- One REST call: METHOD URL EXPECTED-STATUS [curl options]; the body goes to $body ---------------
request() {
	local method=$1 url=$2 expected=$3 status
	shift 3
	status=$(curl -s --cacert "$ca" -o "$work/body" -D "$work/head" -w '%{http_code}' -X "$method" "$url" "$@") ||
		fail "$method $url: no answer"
	body=$(cat "$work/body")
	echo "$method ${url#https://localhost} -> $status"
	[ "$status" = "$expected" ] || fail "$method $url answered $status, not $expected: $body"
}
field() { jq -er "$1" <<<"$body" || fail "the answer has no $1: $body"; }
json=(-H 'Content-Type: application/json')

say "3. Sign in as the administrator"
request POST "$mgmt/client-registration/v0.17/register" 200 -u "admin:$GATEHOUSE_ADMIN_PASSWORD" "${json[@]}" \
	-d '{"clientName":"demo","owner":"admin","grantType":"password refresh_token","saasApp":true}'
client=$(field .clientId):$(field .clientSecret)
request POST "$mgmt/oauth2/token" 200 -u "$client" -d grant_type=password -d username=admin \
	--data-urlencode "password=$GATEHOUSE_ADMIN_PASSWORD" \
	--data-urlencode 'scope=apim:admin apim:api_view apim:api_create apim:api_publish apim:api_manage apim:subscribe apim:app_manage apim:sub_manage apim:tier_manage'
auth=(-H "Authorization: Bearer $(field .access_token)")

say "4. A business plan of $limit requests a minute, and an API from its OpenAPI file"
request POST "$mgmt/api/am/admin/v4/throttling/policies/subscription" 201 "${auth[@]}" "${json[@]}" \
	-d '{"policyName":"Demo","displayName":"Demo","description":"For the demo.","stopOnQuotaReach":true,
	"billingPlan":"FREE","defaultLimit":{"type":"REQUESTCOUNTLIMIT",
	"requestCount":{"timeUnit":"min","unitTime":1,"requestCount":'$limit'}}}'
request POST "$mgmt/api/am/publisher/v4/apis/import-openapi" 201 "${auth[@]}" -F file=@deploy/demo/books.yaml \
	-F 'additionalProperties={"name":"Books","version":"1.0.0","context":"/books","policies":["Demo"],
	"endpointConfig":{"endpoint_type":"http","production_endpoints":{"url":"'"$backend"'"}}}'
api=$(field .id)
jq '{name, version, context, lifeCycleStatus, operations: [.operations[] | .verb + " " + .target]}' <<<"$body"
request POST "$mgmt/api/am/publisher/v4/apis/$api/revisions" 201 "${auth[@]}" "${json[@]}" -d '{"description":"first"}'
revision=$(field .id)
request POST "$mgmt/api/am/publisher/v4/apis/$api/deploy-revision?revisionId=$revision" 201 "${auth[@]}" "${json[@]}" \
	-d '[{"name":"Default","vhost":"localhost","displayOnDevportal":true}]'
request POST "$mgmt/api/am/publisher/v4/apis/change-lifecycle?apiId=$api&action=Publish" 200 "${auth[@]}"

say "5. An application subscribes and gets a token"
request POST "$mgmt/api/am/devportal/v3/applications" 201 "${auth[@]}" "${json[@]}" \
	-d '{"name":"Reader","throttlingPolicy":"Unlimited","tokenType":"JWT"}'
application=$(field .applicationId)
request POST "$mgmt/api/am/devportal/v3/subscriptions" 201 "${auth[@]}" "${json[@]}" \
	-d '{"applicationId":"'"$application"'","apiId":"'"$api"'","throttlingPolicy":"Demo"}'
request POST "$mgmt/api/am/devportal/v3/applications/$application/generate-keys" 200 "${auth[@]}" "${json[@]}" \
	-d '{"keyType":"PRODUCTION","grantTypesToBeSupported":["client_credentials"],"validityTime":3600}'
keys=$(field .consumerKey):$(field .consumerSecret)
request POST "$mgmt/oauth2/token" 200 -u "$keys" -d grant_type=client_credentials
token=$(field .access_token)

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
for _ in $(seq 100); do
	request GET "$mgmt/api/am/analytics/v1/usage?from=$((started - 60))&to=$((started + 3600))&groupBy=api,status" 200 \
		"${auth[@]}" >/dev/null
	counted=$(jq '[.list[] | select(.api == "Books") | select(.status == 200 or .status == 429) | .count] | add // 0' <<<"$body")
	[ "$counted" -ge $((limit + 2)) ] && break
	sleep 0.1
done
[ "$counted" -eq $((limit + 2)) ] || fail "the analytics count $counted calls, not $((limit + 2)): $body"
jq -r '(["api","status","count","p50 us","p99 us"], (.list[] | [.api, .status, .count, .latency_us.p50, .latency_us.p99])) | @tsv' <<<"$body"
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
