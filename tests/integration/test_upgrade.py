# SPDX-License-Identifier: Apache-2.0
"""A node is replaced in place (SIGUSR2) while clients connect: nobody is refused, reset or answered an error."""
import ctypes
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest
import requests
from kit.client import Client
from kit.node import MANIFEST, Node, wait_until

PR_SET_CHILD_SUBREAPER = 36
DEADLINE_S = 60


@pytest.fixture(scope="module", autouse=True)
def reaper():
    """Processes whose parent has ended become ours, so that their exit codes can be seen."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class Adopted:
    """A successor, with what Node needs of subprocess.Popen."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, deadline_s=DEADLINE_S):
        wait_until(lambda: self.poll() is not None, deadline_s, what=f"process {self.pid} ends")
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


def started(node):
    """Ids of the successors that were started so far."""
    return [int(n) for n in re.findall(r"process (\d+) is starting", node.log)]


def upgrade(node):
    """Replace the running process; the old one must end with 0.  @return the new process."""
    old, before = node.process, started(node)
    ready = node.log.count("ready: ")
    old.send_signal(signal.SIGUSR2)
    wait_until(lambda: len(started(node)) > len(before), DEADLINE_S, what="a successor is started")
    pid = started(node)[-1]
    assert old.wait(DEADLINE_S) == 0, node.log
    node.process = Adopted(pid)
    wait_until(lambda: node.log.count("ready: ") > ready or node.process.poll() is not None, DEADLINE_S,
               what="the successor is ready")
    assert node.process.poll() is None, node.log
    return node.process


def refused_upgrade(node, why):
    """The signal, and the reason why the old process goes on."""
    before = node.log.count("not replaced")
    node.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: node.log.count("not replaced") > before, DEADLINE_S, what="the old process goes on")
    assert re.search(f"not replaced, this process goes on: .*{why}", node.log), node.log
    assert node.process.poll() is None


class Load:
    """Threads that open connections one after another, each for one request of `path` on the gateway's port, or
    of `page` on the management port."""

    def __init__(self, node, path, threads=3, page="/healthz"):
        self.failed, self.count, self._stop = [], 0, threading.Event()
        tls = ssl._create_unverified_context()
        self.calls = [
            (lambda: http.client.HTTPConnection("localhost", node.http_port, timeout=30), path),
            (lambda: http.client.HTTPSConnection("localhost", node.mgmt_port, timeout=30, context=tls), page),
        ]
        self._threads = [threading.Thread(target=self._run, args=self.calls[i % 2]) for i in range(threads * 2)]

    def _run(self, connect, path):
        while not self._stop.is_set():
            try:
                c = connect()
                c.request("GET", path)
                status = c.getresponse().status
                c.close()
                if status != 200:
                    self.failed.append(f"{path}: {status}")
            except (OSError, http.client.HTTPException) as e:
                self.failed.append(f"{path}: {e!r}")
            self.count += 1

    def more(self, n=200):
        """Let it go on for some calls."""
        want = self.count + n
        wait_until(lambda: self.count >= want, DEADLINE_S, what="more calls")

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for t in self._threads:
            t.join()


def publish(node, echo, name="Steady"):
    api = Client(node).publish(name, echo.url,
                               operations=[{"target": "/*", "verb": "GET", "authType": "None"}])
    return api["context"] + "/1.0.0/x"


def with_workers(directory, workers):
    """The all-in-one manifest in a file that a test may change."""
    path = directory / "manifest.yaml"
    path.write_text(MANIFEST.read_text().replace("${GATEHOUSE_WORKERS:-auto}", str(workers)))
    return path


# ---- Nobody notices ------------------------------------------------------------------------------

def test_two_upgrades_under_load(new_node, echo):
    node = new_node().start()
    path = publish(node, echo)
    pids = [node.process.pid]
    with Load(node, path) as load:
        load.more()
        for _ in range(2):
            pids.append(upgrade(node).pid)
            load.more()
    assert load.failed == []
    assert len(set(pids)) == 3
    assert requests.get(node.http + path).status_code == 200  # the database went along
    node.stop()


@pytest.mark.parametrize("counts", [(1, 3), (3, 1), (2, 3, 1)])
def test_other_numbers_of_workers(new_node, echo, tmp_path, counts):
    node = new_node(manifest=with_workers(tmp_path, counts[0])).start()
    path = publish(node, echo)
    with Load(node, path) as load:
        load.more()
        for n in counts[1:]:
            with_workers(tmp_path, n)
            upgrade(node)
            assert node.log.rstrip().rsplit("ready: ", 1)[1].startswith(f"{n} workers")
            load.more()
    assert load.failed == []
    node.stop()


BARE = """
node: {{ workers: {workers} }}
listeners:
  - {{ name: management, chain: management, port: ${{GATEHOUSE_MGMT_PORT}}, tls: true }}
  - {{ name: gateway, chain: management, port: ${{GATEHOUSE_HTTP_PORT}} }}
plugins: [ http ]
"""


def test_without_anything_that_is_locked(new_node, tmp_path):
    """Both processes serve for a moment: the old one ends only when the new one listens."""
    manifest = tmp_path / "bare.yaml"
    manifest.write_text(BARE.format(workers=2))
    node = new_node(manifest=manifest).start()
    with Load(node, "/healthz") as load:
        load.more()
        for workers in (4, 1, 2):
            manifest.write_text(BARE.format(workers=workers))
            upgrade(node)
            load.more()
    assert load.failed == []
    assert "waits for this one to end" not in node.log
    assert node.log.count("serves: draining") == 3
    node.stop()


@pytest.mark.skipif("GATEHOUSE_BUILD" not in os.environ, reason="the probe is not installed")
@pytest.mark.parametrize("store", ["", ", leveldb"])
def test_new_process_is_ready_before_it_listens(new_node, tmp_path, store):
    manifest = tmp_path / "late.yaml"
    manifest.write_text(BARE.format(workers=2).replace("[ http ]", f"[ http, late_probe: {{ after: 500ms }}{store} ]"))
    node = new_node(manifest=manifest)
    node.env["GATEHOUSE_PLUGIN_PATH"] += f":{os.environ['GATEHOUSE_BUILD']}/tests/integration/probe/.libs"
    node.start()
    with Load(node, "/late", page="/readyz") as load:
        load.more()
        upgrade(node)
        load.more()
    assert [f for f in load.failed if "/late" in f or "503" not in f] == []  # /readyz: while it drains
    assert ("waits for this one to end" in node.log) == bool(store)
    node.stop()


def test_new_process_does_not_wait_for_ever(new_node, tmp_path):
    manifest = tmp_path / "late.yaml"
    manifest.write_text(BARE.format(workers=1).replace("[ http ]", "[ http, late_probe: { after: 1h } ]"))
    node = new_node(manifest=manifest)
    node.env["GATEHOUSE_PLUGIN_PATH"] += f":{os.environ['GATEHOUSE_BUILD']}/tests/integration/probe/.libs"
    node.spawn()
    wait_until(lambda: "ready: " in node.log or node.process.poll() is not None, DEADLINE_S, what="it listens")
    upgrade(node)
    assert "listening although late_probe is not ready" in node.log
    node.stop()


def test_connections_that_wait_in_a_queue(new_node, echo, tmp_path):
    """Those of a worker that the new process has not: connected before, asked after the upgrade."""
    node = new_node(manifest=with_workers(tmp_path, 3)).start()
    path = publish(node, echo)
    with_workers(tmp_path, 1)
    old = node.process
    os.kill(old.pid, signal.SIGUSR2)
    wait_until(lambda: "draining" in node.log, DEADLINE_S, what="the old process drains")
    waiting = [socket.create_connection(("localhost", node.http_port), 30) for _ in range(64)]
    for s in waiting:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    for s in waiting:
        s.settimeout(30)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 "), node.log
        s.close()
    assert old.wait(DEADLINE_S) == 0
    node.process = Adopted(started(node)[-1])
    node.stop()


def test_running_call_is_finished(new_node, echo):
    node = new_node().start()
    path = publish(node, echo)[:-1] + "slow/1500"
    answers = []
    t = threading.Thread(target=lambda: answers.append(requests.get(node.http + path, timeout=30)))
    echo.seen.clear()
    t.start()
    wait_until(lambda: len(echo.seen) > 0, what="the backend has the call")
    upgrade(node)
    t.join()
    assert answers[0].status_code == 200
    node.stop()


def test_idle_connection_is_not_reset(new_node):
    """A kept connection ends with an orderly close, or answers once more and says so."""
    node = new_node().start()
    c = http.client.HTTPConnection("localhost", node.http_port, timeout=30)
    c.request("GET", "/first")
    c.getresponse().read()
    upgrade(node)
    assert c.sock.recv(1) == b""
    c.close()
    node.stop()


# ---- The program ---------------------------------------------------------------------------------

def test_the_new_file_is_started(new_node, tmp_path):
    """A package puts a new file in the old one's place."""
    node = new_node()
    program = tmp_path / "gatehouse"
    shutil.copy(node.program, program)
    node.program = str(program)
    node.start()
    newer = tmp_path / "newer"
    shutil.copy(program, newer)
    inode = newer.stat().st_ino
    os.replace(newer, program)
    pid = upgrade(node).pid
    assert os.stat(f"/proc/{pid}/exe").st_ino == inode
    arguments = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    assert arguments[:2] == [str(program).encode(), b"run"]
    environment = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
    assert sum(v.startswith(b"LISTEN_FDS=") for v in environment) == 1
    node.stop()


def test_service_manager_is_told(new_node, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        node = new_node(env={"NOTIFY_SOCKET": str(tmp_path / "notify")}).start()
        pid = upgrade(node).pid
        said = []
        while said.count("READY=1") < 2:
            said.append(manager.recv(256).decode())
        assert said == ["READY=1", f"MAINPID={pid}", "READY=1"]
        node.stop()


# ---- The old process goes on ---------------------------------------------------------------------

@pytest.mark.parametrize("old,new,why", [
    ("plugins:", "plugins: [", "manifest.yaml:"),
    ("  - throttle\n", "  - throttel\n", "plugin throttel: find: no file throttel.so"),
    ("  - throttle\n", "  - throttle: { no_such_option: 1 }\n", "no_such_option"),
    ('certificate_file: "${GATEHOUSE_CERTIFICATE:-}", key_file: "${GATEHOUSE_KEY:-}"',
     "certificate_file: /nowhere/c.pem, key_file: /nowhere/k.pem", "/nowhere/c.pem"),
    ('name: gateway, chain: gateway, engine: http, address: "[::]"',
     "name: gateway, chain: gateway, engine: http, address: 127.0.0.1", "cannot bind .* in use"),
])
def test_broken_manifest(new_node, echo, tmp_path, old, new, why):
    manifest = with_workers(tmp_path, 2)
    right = manifest.read_text()
    node = new_node(manifest=manifest).start()
    path = publish(node, echo)
    with Load(node, path, threads=1) as load:
        load.more(20)
        assert old in right
        manifest.write_text(right.replace(old, new))
        refused_upgrade(node, why)
        load.more(20)
        manifest.write_text(right)
        upgrade(node)
        load.more(20)
    assert load.failed == []
    node.stop()


def test_program_that_cannot_be_started(new_node, tmp_path):
    node = new_node()
    program = tmp_path / "gatehouse"
    shutil.copy(node.program, program)
    node.program = str(program)
    node.start()
    program.unlink()
    refused_upgrade(node, "gatehouse cannot be started")
    program.write_text("#!/nowhere\n")
    program.chmod(0o755)
    refused_upgrade(node, r"ended \(exit code 127\) before it could serve")
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    refused_upgrade(node, r"ended \(signal 9\) before it could serve")
    program.write_text("#!/bin/sh\nsleep 1000 & echo $! >pid\nwait\n")  # it will not answer
    node.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: (node.directory / "pid").exists() and (node.directory / "pid").read_text(), what="it runs")
    sleeper = int((node.directory / "pid").read_text())
    refused_upgrade(node, "is starting already")
    assert requests.get(node.http + "/x").status_code == 404
    node.stop()  # and what it started is told to end
    os.kill(sleeper, signal.SIGKILL)


def test_early_signal_is_ignored(tmp_path):
    """One that comes before the node can answer it must not end the process."""
    node = Node(tmp_path)
    node.spawn()
    until = time.monotonic() + DEADLINE_S
    while not node.log and time.monotonic() < until:  # its first line comes when signals are answered
        wait_until(lambda: "SigIgn" in open(f"/proc/{node.process.pid}/status").read(), what="it runs")
        ignored = re.search(r"SigIgn:\s*(\w+)", open(f"/proc/{node.process.pid}/status").read())[1]
        if int(ignored, 16) & 1 << (signal.SIGUSR2 - 1):
            node.process.send_signal(signal.SIGUSR2)
            break
    wait_until(node.is_ready, DEADLINE_S, what="the node is ready")
    node.stop()
