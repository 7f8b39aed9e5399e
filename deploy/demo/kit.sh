# SPDX-License-Identifier: Apache-2.0
# What demo.sh and deploy/patterns/*/up.sh have in common; sourced with the top of the source tree as the working directory.

pids=()
work=
umask 022 # plugins that others may write are not loaded

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() {
	printf '\nThis failed: %s\n' "$*" >&2
	for log in "${work:-/nonexistent}"/*.log; do
		[ ! -s "$log" ] || { echo "--- last lines of $(basename "$log"):"; tail -n 20 "$log"; } >&2
	done
	exit 1
}
stop() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	[ -z "$work" ] || rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# --- Install, build ----------------------------------------------------------------------------------
# build DIR [deps.sh options]: sets $prefix and $work
build() {
	local dir=$1 top=$PWD
	shift
	tools/deps.sh --demo "$@"
	[ -x configure ] || ./autogen.sh >/dev/null 2>&1 || fail "./autogen.sh"
	# Builds beside the source need a source tree that holds none.
	[ ! -f config.status ] || { echo "make distclean"; make distclean >/dev/null 2>&1 || fail "make distclean"; }
	mkdir -p "$dir"
	work=$(mktemp -d)
	if [ ! -f "$dir/Makefile" ] || [ configure -nt "$dir/Makefile" ]; then
		(cd "$dir" && "$top/configure" --prefix="$PWD/root" >configure.out 2>&1) ||
			{ tail -n 20 "$dir/configure.out" >&2; fail "configure"; }
	fi
	make -C "$dir" -j"$(nproc)" install >"$dir/make.out" 2>&1 || { tail -n 30 "$dir/make.out" >&2; fail "make"; }
	prefix=$(cd "$dir/root" && pwd)
	"$prefix/bin/gatehouse" version
}

# --- Start -------------------------------------------------------------------------------------------
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
pick() { # the first free one of PORT, PORT + 1000, ...
	local port=$1
	while ! is_free "$port"; do port=$((port + 1000)); [ "$port" -lt 65000 ] || fail "no free port"; done
	echo "$port"
}
# start_node NAME MANIFEST: with the environment of the caller; sets $node, its process
start_node() {
	"$prefix/bin/gatehouse" run --manifest "$prefix/share/gatehouse/manifests/$2.yaml" --state "$work/$1" \
		>"$work/$1.log" 2>&1 &
	node=$!
	pids+=("$node")
}
# await_ready PID URL: until its /readyz says so
await_ready() {
	for _ in $(seq 600); do
		curl -sf --cacert "$ca" "$2/readyz" >/dev/null 2>&1 && return
		kill -0 "$1" 2>/dev/null || fail "the node of $2 did not start"
		sleep 0.05
	done
	fail "the node of $2 is not ready: $(curl -s --cacert "$ca" "$2/readyz")"
}
start_backend() { # sets $backend
	python3 deploy/demo/backend.py 0 >"$work/backend.port" &
	pids+=($!)
	for _ in $(seq 100); do [ -s "$work/backend.port" ] && break; sleep 0.05; done
	[ -s "$work/backend.port" ] || fail "the backend did not start"
	backend=http://127.0.0.1:$(cat "$work/backend.port")
}

# --- REST --------------------------------------------------------------------------------------------
# request METHOD URL EXPECTED-STATUS [curl options]: the body goes to $body
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

sign_in() { # sets $auth
	local client
	request POST "$mgmt/client-registration/v0.17/register" 200 -u "admin:$GATEHOUSE_ADMIN_PASSWORD" "${json[@]}" \
		-d '{"clientName":"demo","owner":"admin","grantType":"password refresh_token","saasApp":true}'
	client=$(field .clientId):$(field .clientSecret)
	request POST "$mgmt/oauth2/token" 200 -u "$client" -d grant_type=password -d username=admin \
		--data-urlencode "password=$GATEHOUSE_ADMIN_PASSWORD" \
		--data-urlencode 'scope=apim:admin apim:api_view apim:api_create apim:api_publish apim:api_manage apim:subscribe apim:app_manage apim:sub_manage apim:subscription_block apim:tier_manage'
	auth=(-H "Authorization: Bearer $(field .access_token)")
}
make_plan() { # make_plan NAME REQUESTS-PER-MINUTE
	request POST "$mgmt/api/am/admin/v4/throttling/policies/subscription" 201 "${auth[@]}" "${json[@]}" \
		-d '{"policyName":"'"$1"'","displayName":"'"$1"'","description":"For the demo.","stopOnQuotaReach":true,
		"billingPlan":"FREE","defaultLimit":{"type":"REQUESTCOUNTLIMIT",
		"requestCount":{"timeUnit":"min","unitTime":1,"requestCount":'"$2"'}}}'
}
publish_books() { # publish_books PLANS-AS-JSON: sets $api
	local revision
	request POST "$mgmt/api/am/publisher/v4/apis/import-openapi" 201 "${auth[@]}" -F file=@deploy/demo/books.yaml \
		-F 'additionalProperties={"name":"Books","version":"1.0.0","context":"/books","policies":'"$1"',
		"endpointConfig":{"endpoint_type":"http","production_endpoints":{"url":"'"$backend"'"}}}'
	api=$(field .id)
	jq '{name, version, context, lifeCycleStatus, operations: [.operations[] | .verb + " " + .target]}' <<<"$body"
	request POST "$mgmt/api/am/publisher/v4/apis/$api/revisions" 201 "${auth[@]}" "${json[@]}" -d '{"description":"first"}'
	revision=$(field .id)
	request POST "$mgmt/api/am/publisher/v4/apis/$api/deploy-revision?revisionId=$revision" 201 "${auth[@]}" "${json[@]}" \
		-d '[{"name":"Default","vhost":"localhost","displayOnDevportal":true}]'
	request POST "$mgmt/api/am/publisher/v4/apis/change-lifecycle?apiId=$api&action=Publish" 200 "${auth[@]}"
}
subscribe() { # subscribe APPLICATION PLAN: sets $subscription and $token
	local application keys
	request POST "$mgmt/api/am/devportal/v3/applications" 201 "${auth[@]}" "${json[@]}" \
		-d '{"name":"'"$1"'","throttlingPolicy":"Unlimited","tokenType":"JWT"}'
	application=$(field .applicationId)
	request POST "$mgmt/api/am/devportal/v3/subscriptions" 201 "${auth[@]}" "${json[@]}" \
		-d '{"applicationId":"'"$application"'","apiId":"'"$api"'","throttlingPolicy":"'"$2"'"}'
	subscription=$(field .subscriptionId)
	request POST "$mgmt/api/am/devportal/v3/applications/$application/generate-keys" 200 "${auth[@]}" "${json[@]}" \
		-d '{"keyType":"PRODUCTION","grantTypesToBeSupported":["client_credentials"],"validityTime":3600}'
	keys=$(field .consumerKey):$(field .consumerSecret)
	request POST "$mgmt/oauth2/token" 200 -u "$keys" -d grant_type=client_credentials
	token=$(field .access_token)
}
# await_usage FROM-SECONDS CALLS: until the analytics count so many calls of Books, and no more
await_usage() {
	local counted=0
	for _ in $(seq 200); do
		request GET "$mgmt/api/am/analytics/v1/usage?from=$(($1 - 60))&to=$(($1 + 3600))&groupBy=api,status" 200 \
			"${auth[@]}" >/dev/null
		counted=$(jq '[.list[] | select(.api == "Books") | .count] | add // 0' <<<"$body")
		[ "$counted" -ge "$2" ] && break
		sleep 0.1
	done
	[ "$counted" -eq "$2" ] || fail "the analytics count $counted calls, not $2: $body"
	jq -r '(["api","status","count","p50 us","p99 us"], (.list[] | [.api, .status, .count, .latency_us.p50, .latency_us.p99])) | @tsv' <<<"$body"
}
