# SPDX-License-Identifier: Apache-2.0
"""A state directory without room: writes are refused, reading and traffic go on, writing comes back."""
import os
import pathlib
import subprocess

import pytest
import requests
from kit.client import STORE, Client
from kit.node import wait_until

APPLICATIONS = STORE + "/applications"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB in memory."""
    where = tmp_path / "disk"
    where.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(where)],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("may not mount here; the store's unit test fills a disk by a limit instead")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 65536)
        except OSError:
            return


def application(name):
    return {"name": name, "throttlingPolicy": "Unlimited", "description": "d" * 500}


def test_disk_full(new_node, echo, small_disk):
    node = new_node()
    node.state = pathlib.Path(small_disk) / "state"
    node.start()
    client = Client(node)
    api = client.publish("Full", echo.url)
    _, _, _, token = client.consumer(api)
    fill(small_disk / "fill")
    statuses = {}
    for i in range(40):
        r = client.raw("POST", APPLICATIONS, json=application(f"a{i}"))
        statuses.setdefault(r.status_code, []).append(f"a{i}")
    assert set(statuses) <= {201, 503} and len(statuses[503]) > 10
    assert r.json()["code"] == 503
    ready = requests.get(node.mgmt + "/readyz", verify=False)
    assert ready.status_code == 503 and "leveldb" in ready.text
    assert client.call(f"{api['context']}/1.0.0/x", token).status_code == 200
    os.unlink(small_disk / "fill")
    wait_until(lambda: client.raw("POST", APPLICATIONS, json=application("later")).status_code in (201, 409),
               15, what="writing comes back")
    assert requests.get(node.mgmt + "/readyz", verify=False).status_code == 200
    names = [a["name"] for a in client.rest("GET", APPLICATIONS + "?limit=1000")["list"]]
    assert set(statuses.get(201, [])) <= set(names)  # what was acknowledged is there
    node.stop()
