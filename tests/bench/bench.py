#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Gatehouse side by side with nginx and HAProxy, as ratios of one run.

Each product runs on core 0, load and backend on core 1.  Rounds alternate over the products, and the
median of the ratios per round counts: the machine may be shared and noisy.  The steady figure is the CPU
time per request (user and system, from /proc/PID/stat, all processes of a product).

usage: bench.py [--rounds N] [--seconds N] [--sizes 28,1024,...] [--connections N]
The build to measure is named by GATEHOUSE_PREFIX (an installation).
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from kit.client import Client  # noqa: E402
from kit.node import START_DEADLINE_S, Node, free_ports, wait_until  # noqa: E402

import requests  # noqa: E402

PRODUCT_CORE, LOAD_CORE = 0, 1
TICK = os.sysconf("SC_CLK_TCK")
SIZES = (28, 1024, 10240, 102400)


def pin(core, argv):
    return ["taskset", "-c", str(core), *argv] if os.cpu_count() > 1 else list(argv)


def tree(pid):
    """pid and all that descend from it."""
    children = {}
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                stat = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(stat[1]), []).append(int(p))
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        todo += children.get(at, [])
    return found


def cpu_seconds(pid):
    total = 0
    for p in tree(pid):
        try:
            stat = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(stat[11]) + int(stat[12])
    return total / TICK


def rss_kb(pid):
    total = 0
    for p in tree(pid):
        for line in open(f"/proc/{p}/status"):
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total


class Process:
    """A program that is ended by its id."""

    def __init__(self, core, argv, log):
        self.process = subprocess.Popen(pin(core, argv), stdout=open(log, "ab"),
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    pid = property(lambda self: self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class PinnedNode(Node):
    """A node on the product's core, with one worker."""

    def spawn(self):
        program = self.program
        wrapper = self.directory / "pinned"
        wrapper.write_text("#!/bin/sh\nexec %s \"$@\"\n" % " ".join(pin(PRODUCT_CORE, [program])))
        wrapper.chmod(0o755)
        self.program = str(wrapper)
        try:
            return super().spawn()
        finally:
            self.program = program

    pid = property(lambda self: self.process.pid)


def configured(name, directory, ports):
    text = (HERE / name).read_text().replace("@DIR@", str(directory))
    for key, value in ports.items():
        text = text.replace(f"@{key}@", str(value))
    path = directory / name
    path.write_text(text)
    return str(path)


def answers(url, headers=None, status=200):
    def ask():
        try:
            return requests.get(url, headers=headers, timeout=2).status_code == status
        except requests.RequestException:
            return False
    return ask


def wrk(url, seconds, connections, token, directory):
    """One window of load.  @return (requests, requests/s, p50 us, p99 us)."""
    script = directory / "load.lua"
    script.write_text('wrk.headers["Authorization"] = "Bearer %s"\n' % token if token else "\n")
    out = subprocess.run(pin(LOAD_CORE, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                                         "-s", str(script), url]),
                         capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    if "Non-2xx" in out:
        raise RuntimeError(f"{url}: not every answer was 200:\n{out}")
    unit = {"us": 1, "ms": 1000, "s": 1000000}

    def latency(name):
        value, u = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * unit[u]
    return (int(re.search(r"(\d+) requests in", out).group(1)),
            float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), latency("50"), latency("99"))


def asks_200(port, context):
    """One plain GET on a connection of its own, without what a library would add to the time."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as s:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return re.match(rb"HTTP/1\.1 200 ", s.recv(64)) is not None
    except OSError:
        return False


def first_200(directory):
    """Milliseconds from exec to the first 200, on an empty state directory, and again."""
    node = PinnedNode(directory)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    times = []
    for _ in range(2):
        started = time.monotonic()
        node.spawn()
        try:
            while not asks_200(node.mgmt_port, context):
                if node.process.poll() is not None or time.monotonic() - started > START_DEADLINE_S:
                    raise RuntimeError(f"the node does not start:\n{node.log}")
                time.sleep(0.001)
            times.append((time.monotonic() - started) * 1000)
        finally:
            node.stop()
    return times


def managed_node(directory, backend):
    """A node as the demo sets it up.  @return (node, path prefix, token)."""
    node = PinnedNode(directory, workers=1).start()
    client = Client(node)
    api = client.publish("Bench", backend)
    _, _, _, token = client.consumer(api)
    wait_until(answers(node.http + "/bench/1.0.0/28", {"Authorization": "Bearer " + token}),
               what="the managed API answers")
    return node, "/bench/1.0.0", token


def bare_node(directory, backend):
    node = PinnedNode(directory, manifest=HERE / "bare.yaml", workers=1).start()
    Client(node).publish("Bench", backend,
                         operations=[{"target": "/*", "verb": "GET", "authType": "None"}])
    wait_until(answers(node.http + "/bench/1.0.0/28"), what="the bare API answers")
    return node, "/bench/1.0.0"


def measure(targets, sizes, args, directory):
    """Alternating rounds.  @return {(size, name): [(cpu us, requests/s, p50, p99), ...]}"""
    results = {}
    for size in sizes:
        for number in range(args.rounds + 1):
            for name, pid, url, token in targets:
                before = cpu_seconds(pid)
                n, rate, p50, p99 = wrk(f"{url}/{size}", args.seconds if number else 1, args.connections,
                                        token, directory)
                cpu = (cpu_seconds(pid) - before) * 1e6 / n
                if number:  # round 0 warms up
                    results.setdefault((size, name), []).append((cpu, rate, p50, p99))
    return results


def report(targets, sizes, results):
    names = [t[0] for t in targets]
    head = f"{'bytes':>7} {'product':<18} {'CPU us/req':>10} {'/nginx':>7} {'req/s':>9} {'p50 us':>8} {'p99 us':>8}"
    print(head)
    print("-" * len(head))
    for size in sizes:
        for name in names:
            rows = results[(size, name)]
            ratio = statistics.median(a[0] / b[0] for a, b in zip(rows, results[(size, "nginx bare")]))
            cpu, rate, p50, p99 = (statistics.median(r[i] for r in rows) for i in range(4))
            print(f"{size:>7} {name:<18} {cpu:>10.1f} {ratio:>7.2f} {rate:>9.0f} {p50:>8.0f} {p99:>8.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    args = parser.parse_args()
    sizes = [int(s) for s in args.sizes.split(",")]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    running = []
    try:
        (directory / "bodies").mkdir()
        for size in {*sizes, 28}:
            (directory / "bodies" / str(size)).write_bytes(b"x" * size)
        os.chmod(directory, 0o755)
        backend, proxy, haproxy = free_ports(3)
        ports = {"BACKEND": backend, "PROXY": proxy, "HAPROXY": haproxy}
        log = directory / "servers.log"
        running.append(Process(LOAD_CORE, ["nginx", "-c", configured("nginx-backend.conf", directory, ports)], log))
        nginx = Process(PRODUCT_CORE, ["nginx", "-c", configured("nginx-proxy.conf", directory, ports)], log)
        running.append(nginx)
        targets = [("nginx bare", nginx.pid, f"http://127.0.0.1:{proxy}", None)]
        if shutil.which("haproxy"):
            ha = Process(PRODUCT_CORE, ["haproxy", "-f", configured("haproxy.cfg", directory, ports)], log)
            running.append(ha)
            targets.append(("haproxy bare", ha.pid, f"http://127.0.0.1:{haproxy}", None))
        for name, _, url, _ in targets:
            wait_until(answers(url + "/28"), what=f"{name} answers")
        for sub in ("start", "bare", "managed"):
            (directory / sub).mkdir()
        cold, warm = first_200(directory / "start")
        url = f"http://127.0.0.1:{backend}"
        node, path = bare_node(directory / "bare", url)
        running.append(node)
        targets.append(("gatehouse bare", node.pid, node.http.replace("localhost", "127.0.0.1") + path, None))
        node, path, token = managed_node(directory / "managed", url)
        running.append(node)
        rss = rss_kb(node.pid)
        targets.append(("gatehouse managed", node.pid, node.http.replace("localhost", "127.0.0.1") + path, token))
        results = measure(targets, sizes, args, directory)
        report(targets, sizes, results)
        print(f"\nstart to first 200: {cold:.0f} ms on an empty state directory, {warm:.0f} ms again")
        print(f"RSS of the all-in-one node: {rss / 1024:.1f} MB set up, {rss_kb(node.pid) / 1024:.1f} MB after the load")
    finally:
        for p in reversed(running):
            p.stop()
        shutil.rmtree(directory, ignore_errors=True)


main()
