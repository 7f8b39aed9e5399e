#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast changes reach gateways, and what a gateway without a database costs.

usage: GATEHOUSE_BUILD=build/plain tests/bench/cluster.py [--apis N] [--subscriptions N] [--changes N]

Prints: RSS of a gateway without APIs; time of a write that two gateways serve when its answer comes; time
and RSS of a gateway that takes a snapshot of N APIs and N subscriptions.  Real processes, mutual TLS, loopback.
"""
import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
import time

import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from kit.client import PUBLISHER  # noqa: E402
from kit.cluster import Cluster  # noqa: E402
from kit.echo import Echo  # noqa: E402

SNAPSHOT = 'gatehouse_sync_documents{entry="sync"}'


def rss_kib(node):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return {k: int(v.split()[0]) for k, _, v in (line.partition(":") for line in status.splitlines())
            if k in ("VmRSS", "RssAnon")}


def changes(cluster, gateways, echo, n):
    """Block and unblock.  The answer of a write comes when all gateways serve it: each is asked then."""
    client = cluster.client
    api = client.publish("Bench", echo.url)
    _, sub, _, token = client.consumer(api)
    session = requests.Session()
    took, stale = [], 0
    for i in range(n):
        word, wanted = (("block", 401), ("unblock", 200))[i % 2]
        path = f"{PUBLISHER}/subscriptions/{word}-subscription?subscriptionId={sub['subscriptionId']}"
        began = time.monotonic()
        r = client.raw("POST", path + ("&blockState=BLOCKED" if word == "block" else ""))
        took.append(time.monotonic() - began)
        assert r.status_code == 200, r.text
        for gateway in gateways:
            r = session.get(f"{gateway.http}/bench/1.0.0/x", timeout=10,
                            headers={"Authorization": "Bearer " + token})
            stale += r.status_code != wanted
    took.sort()
    print(f"write, served by two   p50 {1000 * took[n // 2]:.1f} ms, "
          f"p99 {1000 * took[int(n * .99)]:.1f} ms, n {n}, stale {stale}")


def fill(cluster, echo, apis, subscriptions):
    client = cluster.client

    def api(i):
        return client.publish(f"Fill{i}", echo.url)

    def application(i):
        app = client.application(f"fill{i}")
        for a in made[:subscriptions // applications]:
            client.subscribe(app, a)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(api, range(apis)))
        applications = max(1, subscriptions // max(1, len(made)))
        list(pool.map(application, range(applications)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--apis", type=int, default=1000)
    parser.add_argument("--subscriptions", type=int, default=10000)
    parser.add_argument("--changes", type=int, default=300)
    args = parser.parse_args()
    echo = Echo()
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(pathlib.Path(directory)).start()
        try:
            gateways = [cluster.add("gateway") for _ in range(2)]
            print("empty gateway, KiB:    ", rss_kib(gateways[0]))
            changes(cluster, gateways, echo, args.changes)
            for gateway in gateways:
                gateway.stop()
            fill(cluster, echo, args.apis, args.subscriptions)
            began = time.monotonic()
            gateway = cluster.add("gateway")
            took = time.monotonic() - began
            print(f"cold start and sync    {took:.2f} s, {gateway.metrics()[SNAPSHOT]:.0f} documents")
            print("gateway with them, KiB:", rss_kib(gateway))
            gateway.stop()
            began = time.monotonic()
            gateway.start()
            print(f"start from its copy    {time.monotonic() - began:.2f} s")
        finally:
            cluster.stop()
            echo.close()


if __name__ == "__main__":
    main()
