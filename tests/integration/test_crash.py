# SPDX-License-Identifier: Apache-2.0
"""Nothing that was acknowledged is lost when a process is killed while it writes."""
import os
import random
import subprocess
import threading
import time

import pytest
import requests

from kit.client import STORE, Client
from kit.node import wait_until

KILLS = int(os.environ.get("CRASH_KILLS", "100"))


def test_hundred_kills_under_commits(tmp_path):
    """The store alone, killed at random moments; tests/crash/crash_leveldb.c says what is verified."""
    build = os.environ.get("GATEHOUSE_BUILD")
    if not build:
        pytest.skip("needs a build directory")
    program = os.path.join(build, "tests", "crash", "crash_leveldb")
    subprocess.run(["make", "-C", build, "tests/crash/crash_leveldb"], check=True,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([program, str(KILLS)], cwd=tmp_path, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{KILLS} kills, "), done.stdout


class Writer(threading.Thread):
    """Creates applications over REST until the node is gone; `created` holds what was answered."""

    def __init__(self, client, name):
        super().__init__()
        self.client, self.prefix, self.created = client, name, {}

    def run(self):
        session = requests.Session()
        session.verify = session.trust_env = False
        for i in range(100000):
            name = f"{self.prefix}-{i}"
            try:
                r = session.post(self.client.node.mgmt + STORE + "/applications", timeout=10,
                                 headers={"Authorization": "Bearer " + self.client.token},
                                 json={"name": name, "throttlingPolicy": "Unlimited",
                                       "tokenType": "JWT"})
                if r.status_code == 201:
                    self.created[r.json()["applicationId"]] = name
            except (requests.RequestException, ValueError):
                return


def test_killed_node_keeps_what_it_answered(new_node):
    """A whole node, killed under REST writes: what was answered 201 is there after the restart."""
    node = new_node()
    created = {}
    for turn in range(3):
        node.start()
        client = Client(node)
        writers = [Writer(client, f"crash{turn}-{i}") for i in range(4)]
        for w in writers:
            w.start()
        wait_until(lambda: all(w.created for w in writers), what="each writer has written")
        time.sleep(random.uniform(0, 0.3))
        node.kill()
        for w in writers:
            w.join()
            created.update(w.created)
    node.start()
    client = Client(node)
    for application_id, name in created.items():
        assert client.rest("GET", f"{STORE}/applications/{application_id}")["name"] == name
    node.stop()


def test_state_directory_of_a_running_node(new_node):
    """A second node on the same directory does not start, says why, and does no harm."""
    first, second = new_node(), new_node()
    first.start()
    second.state = first.state
    second.spawn()
    assert second.process.wait(20) == 78
    second.process = None
    assert "in use by another process" in second.log and str(first.state) in second.log
    Client(first)
    first.stop()
