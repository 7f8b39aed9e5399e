# SPDX-License-Identifier: Apache-2.0
"""A real node in a process of its own: started on free ports, ended by its id.

The build to test is named by GATEHOUSE_BUILD (a build directory) or GATEHOUSE_PREFIX (an installation).
"""
import glob
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import requests
import urllib3

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

TOP = pathlib.Path(__file__).resolve().parents[3]
MANIFEST = TOP / "deploy" / "manifests" / "all-in-one.yaml"
ADMIN_PASSWORD = "a test's own pass phrase"
START_DEADLINE_S = 30
STOP_DEADLINE_S = 20


def wait_until(condition, deadline_s=10, step_s=0.02, what="condition"):
    """Call `condition` until it returns something true; its value is returned."""
    until = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        time.sleep(step_s)


def free_ports(n):
    """n different TCP ports that nobody listens on right now."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def program_and_environment():
    """argv[0] and the variables that the build under test needs."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("GATEHOUSE_") or k == "GATEHOUSE_PLUGIN_PATH"}
    # The leak check of gcc 12 may take what lies before a block of thread-local storage for its header, and crash.
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99:intercept_tls_get_addr=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    prefix = os.environ.get("GATEHOUSE_PREFIX")
    if prefix:
        return os.path.join(prefix, "bin", "gatehouse"), env
    build = os.environ.get("GATEHOUSE_BUILD")
    if not build:
        raise RuntimeError("set GATEHOUSE_BUILD to a build directory")
    env["LD_LIBRARY_PATH"] = os.path.join(build, ".libs")
    env["GATEHOUSE_PLUGIN_PATH"] = ":".join(
        sorted(glob.glob(os.path.join(build, "plugins", "*", ".libs")))
        + sorted(glob.glob(os.path.join(build, "store", "*", ".libs")))
        + sorted(glob.glob(os.path.join(build, "policies", "*", ".libs"))))
    return os.path.join(build, ".libs", "gatehouse"), env


class Node:
    """One node.  `log` is what it wrote; `stop()` checks that it ended cleanly, without leaks."""

    def __init__(self, directory, manifest=None, env=None, workers=2):
        self.directory = pathlib.Path(directory)
        self.state = self.directory / "state"
        self.log_path = self.directory / "node.log"
        self.manifest = manifest or MANIFEST
        self.mgmt_port, self.https_port, self.http_port = free_ports(3)
        self.program, self.env = program_and_environment()
        self.env.update(GATEHOUSE_MGMT_PORT=str(self.mgmt_port),
                        GATEHOUSE_HTTPS_PORT=str(self.https_port),
                        GATEHOUSE_HTTP_PORT=str(self.http_port),
                        GATEHOUSE_WORKERS=str(workers),
                        GATEHOUSE_ADMIN_PASSWORD=ADMIN_PASSWORD)
        self.env.update(env or {})
        self.process = None

    mgmt = property(lambda self: f"https://localhost:{self.mgmt_port}")
    https = property(lambda self: f"https://localhost:{self.https_port}")
    http = property(lambda self: f"http://localhost:{self.http_port}")

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def metrics(self):
        """Name with labels -> value."""
        text = requests.get(self.mgmt + "/metrics", verify=False, timeout=5).text
        return {m[1]: float(m[2]) for m in re.finditer(r"^(\S+) (\S+)$", text, re.M)}

    def spawn(self):
        """Start the process without waiting for it to be ready."""
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(
                [self.program, "run", "--manifest", str(self.manifest), "--state", str(self.state)],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.env,
                cwd=self.directory)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the node ended with {self.process.returncode}:\n{self.log}")
        try:
            return requests.get(self.mgmt + "/readyz", verify=False, timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def start(self):
        self.spawn()
        wait_until(self.is_ready, START_DEADLINE_S, what="the node is ready")
        return self

    def stop(self, expect=0):
        """SIGTERM, and the exit code that must follow."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the node did not end within {STOP_DEADLINE_S} s:\n{self.log[-4000:]}")
        finally:
            self.process = None
        assert code == expect, f"exit code {code}, expected {expect}:\n{self.log[-8000:]}"

    def kill(self):
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process = None
