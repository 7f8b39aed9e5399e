#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pattern 2 on one machine: two gateways and two key managers, a control plane with the rest, and HAProxy before all of
# them.  It takes an API from its file to calls under load, changes things meanwhile, and takes a gateway and a key
# manager away.  The nodes go on until Ctrl-C; with --once they are stopped, and the exit code is 0 only if all held.
set -euo pipefail
cd "$(dirname "$0")/../../.."

once=
case ${1-} in
"") ;;
--once) once=yes ;;
*) echo "usage: up.sh [--once]" >&2; exit 64 ;;
esac
. deploy/demo/kit.sh
pattern=deploy/patterns/2-scalable-gateway

say "1. Install what is missing, and build"
build "${GATEHOUSE_DEMO_BUILD:-build/demo}" --cluster

say "2. A certificate for the balancer and the nodes, and a password"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/ca.pem" 2>/dev/null || fail "openssl"
cat "$work/ca.pem" "$work/key.pem" >"$work/balancer.pem"
chmod 600 "$work"/*.pem
ca=$work/ca.pem
export GATEHOUSE_CERTIFICATE=$ca GATEHOUSE_KEY=$work/key.pem
export GATEHOUSE_ADMIN_PASSWORD=${GATEHOUSE_ADMIN_PASSWORD:-$(openssl rand -hex 12)}
export GATEHOUSE_CLUSTER_KEY_FILE=$work/cluster.key GATEHOUSE_WORKERS=${GATEHOUSE_WORKERS:-1}
export GATEHOUSE_LEAVE=2s # HAProxy looks every half second, and believes the second time
(umask 077; openssl rand -hex 32 >"$GATEHOUSE_CLUSTER_KEY_FILE")

# --- The nodes ---------------------------------------------------------------------------------------
lb_mgmt=$(pick 9443) lb_gateway=$(pick 8243) lb_cluster=$(pick 9447)
mgmt=https://localhost:$lb_mgmt
gateway=https://localhost:$lb_gateway
export GATEHOUSE_ISSUER=$mgmt/oauth2/token GATEHOUSE_GATEWAY_HOST=localhost
declare -A port process
next=10443
# node_up NAME MANIFEST: on free ports of its own
node_up() {
	local kind
	for kind in mgmt https http cluster; do
		port[$1-$kind]=$(pick "$next")
		next=$((next + 1))
	done
	HOSTNAME=$1 GATEHOUSE_MGMT_PORT=${port[$1-mgmt]} GATEHOUSE_HTTPS_PORT=${port[$1-https]} \
		GATEHOUSE_HTTP_PORT=${port[$1-http]} GATEHOUSE_CLUSTER_PORT=${port[$1-cluster]} start_node "$1" "$2"
	process[$1]=$node
	await_ready "$node" "https://localhost:${port[$1-mgmt]}"
	echo "$1: process $node, https://localhost:${port[$1-mgmt]}"
}
join_token() { # join_token ROLE: a token for one node
	request POST "https://localhost:${port[control-mgmt]}/api/am/cluster/v1/join-tokens" 201 "${auth[@]}" "${json[@]}" \
		-d '{"roles":["'"$1"'"]}' >/dev/null
	GATEHOUSE_JOIN_TOKEN=$(field .token)
	export GATEHOUSE_JOIN_TOKEN
}

say "3. The control plane"
start_backend
node_up control control-plane
front=$mgmt
mgmt=https://localhost:${port[control-mgmt]}
sign_in

say "4. Two key managers and two gateways join it, through the balancer"
sed_ports=()
haproxy_config() {
	local name
	sed_ports=(-e "s#LB_MGMT#$lb_mgmt#; s#LB_GATEWAY#$lb_gateway#; s#LB_CLUSTER#$lb_cluster#"
		-e "s#PEM_FILE#$work/balancer.pem#; s#CA_FILE#$ca#g")
	for name in km1 km2 gw1 gw2 control; do
		for kind in mgmt https cluster; do
			sed_ports+=(-e "s#${name^^}_${kind^^}#${port[$name-$kind]:-1}#g")
		done
	done
	sed "${sed_ports[@]}" "$pattern/haproxy.cfg" >"$work/haproxy.cfg"
}
export GATEHOUSE_CONTROL_URL=https://localhost:$lb_cluster
export GATEHOUSE_TRAFFIC_URL=$GATEHOUSE_CONTROL_URL GATEHOUSE_ANALYTICS_URL=$GATEHOUSE_CONTROL_URL
haproxy_config # the other nodes are not there yet; they join through it
haproxy -W -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
balancer=$!
pids+=("$balancer")
for _ in $(seq 100); do ! is_free "$lb_cluster" && break; sleep 0.05; done
for name in km1 km2; do
	join_token control
	node_up $name key-manager
done
for name in gw1 gw2; do
	join_token gateway
	node_up $name gateway
done
haproxy_config
kill -USR2 "$balancer"
mgmt=$front
for _ in $(seq 200); do
	curl -sf --cacert "$ca" "$mgmt/oauth2/jwks" >/dev/null 2>&1 &&
		curl -s --cacert "$ca" "$gateway/none" >/dev/null 2>&1 && break
	sleep 0.1
done

say "5. The flow, through the balancer"
sign_in
make_plan Demo 40
publish_books '["Demo","Unlimited"]'
subscribe Reader Demo
limited=$token
subscribe Loader Unlimited

say "6. A limit of 40 a minute, counted over both gateways"
started=$(date +%s)
ok=0
for _ in $(seq 60); do
	status=$(curl -s --cacert "$ca" -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $limited" "$gateway/books/1.0.0/books")
	[ "$status" != 200 ] || ok=$((ok + 1))
done
echo "$ok of 60 calls were answered 200"
[ "$ok" -eq 40 ] || fail "the limit of 40 let $ok calls pass"

say "7. Under load: a change is served when it is answered, and no call of others fails"
python3 deploy/demo/load.py "$gateway/books/1.0.0/books" "$token" "$ca" 8 >"$work/load.out" &
load=$!
pids+=("$load")
subscribe Switched Unlimited
for _ in 1 2 3 4 5; do
	request POST "$mgmt/api/am/publisher/v4/subscriptions/block-subscription?subscriptionId=$subscription&blockState=BLOCKED" 200 "${auth[@]}"
	for _ in 1 2; do # HAProxy takes the gateways in turn
		request GET "$gateway/books/1.0.0/books" 401 -H "Authorization: Bearer $token"
	done
	request POST "$mgmt/api/am/publisher/v4/subscriptions/unblock-subscription?subscriptionId=$subscription" 200 "${auth[@]}"
	for _ in 1 2; do
		request GET "$gateway/books/1.0.0/books" 200 -H "Authorization: Bearer $token"
	done
done >/dev/null
request POST "$mgmt/api/am/publisher/v4/apis/$api/revisions" 201 "${auth[@]}" "${json[@]}" -d '{"description":"second"}'
request POST "$mgmt/api/am/publisher/v4/apis/$api/deploy-revision?revisionId=$(field .id)" 201 "${auth[@]}" "${json[@]}" \
	-d '[{"name":"Default","vhost":"localhost","displayOnDevportal":true}]'
echo "one gateway and one key manager are told to go"
kill "${process[gw1]}" "${process[km1]}"
wait "${process[gw1]}" || fail "a gateway ended with exit code $?"
wait "${process[km1]}" || fail "a key manager ended with exit code $?"
request POST "$mgmt/oauth2/token" 401 -u nobody:nothing -d grant_type=client_credentials
sleep 1
kill "$load"
wait "$load" || fail "calls failed: $(cat "$work/load.out")"
echo "calls meanwhile: $(cat "$work/load.out")"

say "8. The control plane goes; the gateway serves on"
kill "${process[control]}"
wait "${process[control]}" || fail "the control plane ended with exit code $?"
request GET "$gateway/books/1.0.0/books" 200 -H "Authorization: Bearer $token"
request GET "$mgmt/api/am/publisher/v4/apis" 503 "${auth[@]}" >/dev/null

say "9. It comes back, and has every call"
unset GATEHOUSE_JOIN_TOKEN
HOSTNAME=control GATEHOUSE_MGMT_PORT=${port[control-mgmt]} GATEHOUSE_CLUSTER_PORT=${port[control-cluster]} start_node control control-plane
process[control]=$node
await_ready "$node" "https://localhost:${port[control-mgmt]}"
await_ready "${process[gw2]}" "https://localhost:${port[gw2-mgmt]}"
for _ in $(seq 100); do
	usage=$(curl -s --cacert "$ca" "${auth[@]}" "$mgmt/api/am/analytics/v1/usage?from=$((started - 60))&to=$((started + 3600))&groupBy=application,status" || true)
	[ "$(jq '[.list[]? | select(.application == "Reader") | .count] | add // 0' <<<"$usage" 2>/dev/null || echo 0)" -ge 60 ] && break
	sleep 0.2
done
[ "$(jq '[.list[] | select(.application == "Reader") | .count] | add // 0' <<<"$usage")" -eq 60 ] || fail "the analytics count other calls: $usage"
jq -r '(["application","status","count"], (.list[] | [.application, .status, .count])) | @tsv' <<<"$usage"
for name in gw2 km2 control; do
	printf 'memory of %s: %s MB\n' "$name" "$(awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/${process[$name]}/status")"
done

if [ -n "$once" ]; then
	for name in gw2 km2 control; do
		kill "${process[$name]}"
		wait "${process[$name]}" || fail "$name ended with exit code $?"
	done
	say "All held."
	exit 0
fi
cat <<TXT

The nodes go on until Ctrl-C.
  REST, OAuth 2   $mgmt
  gateway         $gateway/books/1.0.0/books
  certificate     $ca
  administrator   admin / $GATEHOUSE_ADMIN_PASSWORD
TXT
wait "${process[control]}"
