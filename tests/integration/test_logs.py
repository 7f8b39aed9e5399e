# SPDX-License-Identifier: Apache-2.0
"""What a node says about itself: log lines, the access log, metrics."""
import json
import re
import signal
import socket

import pytest
import requests

from kit.client import Client
from kit.node import wait_until


def lines_of(path):
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def raw_get(node, target):
    """A request that no client library would send.  @return the status."""
    with socket.create_connection(("localhost", node.http_port), 5) as s:
        s.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\"b\\c\x1b[2J\r\n"
                  b"Connection: close\r\n\r\n")
        return int(s.makefile("rb").readline().split()[1])


@pytest.fixture
def logging_node(new_node, tmp_path):
    """A factory: a started node that logs as asked.  @return (node, path of its access log)."""
    def make(access, log="text"):
        path = tmp_path / "access.log"
        node = new_node(env={"GATEHOUSE_ACCESS_LOG": access, "GATEHOUSE_ACCESS_FILE": str(path),
                             "GATEHOUSE_LOG_FORMAT": log}).start()
        return node, path
    return make


def test_access_log_json(logging_node, echo):
    node, path = logging_node("json")
    client = Client(node)
    token = client.consumer(client.publish("Logged", echo.url))[3]
    for i in range(5):
        client.call(f"/logged/1.0.0/x?i={i}", token, headers={"User-Agent": "test/1", "Referer": "here"})
    client.call("/logged/1.0.0/x", "wrong")
    wait_until(lambda: sum("/logged/" in line for line in lines_of(path)) == 6)
    calls = [c for c in map(json.loads, lines_of(path)) if c["target"].startswith("/logged/")]
    assert [c["target"] for c in calls[:5]] == [f"/logged/1.0.0/x?i={i}" for i in range(5)]
    good, bad = calls[0], calls[5]
    assert (good["status"], good["method"], good["api"], good["version"]) == (200, "GET", "Logged", "1.0.0")
    assert (good["application"], good["agent"], good["referer"]) == ("app_Logged", "test/1", "here")
    assert 0 < good["upstream_us"] <= good["duration_us"] and good["bytes"] > 0
    assert (bad["status"], bad["error_code"]) == (401, 900901) and "upstream_us" not in bad
    assert len({c["id"] for c in calls}) == 6
    # Nothing secret: neither the token nor the administrator's password.
    text = path.read_text() + node.log
    assert token not in text and client.password not in text and client.token not in text


COMMON = re.compile(r'(\S+) - (\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                    r'"(\S+) (\S+) HTTP/1\.[01]" (\d{3}) (\d+) "([^"]*)" "([^"]*)" id=\S+ listener=(\S+) '
                    r'api=\S+ version=\S+ application=\S+ us=\d+ upstream_us=(?:\d+|-) error=\d+')


def test_access_log_common_and_hostile_values(logging_node):
    node, path = logging_node("common")
    raw_get(node, b"/quiet")
    raw_get(node, b"/a%0a%22injected%1b")
    wait_until(lambda: sum("listener=gateway " in line for line in lines_of(path)) == 2)
    rows = [COMMON.fullmatch(line) for line in lines_of(path)]
    assert all(rows), lines_of(path)
    assert all(c.isprintable() for line in lines_of(path) for c in line)
    assert [m[4] for m in rows if m[9] == "gateway"] == ["/quiet", "/a%0a%22injected%1b"]


def test_access_log_is_reopened(logging_node):
    node, path = logging_node("common")
    raw_get(node, b"/before")
    wait_until(lambda: any("/before" in line for line in lines_of(path)))
    old = path.rename(path.with_suffix(".1"))
    node.process.send_signal(signal.SIGHUP)
    wait_until(path.exists)
    raw_get(node, b"/after")
    wait_until(lambda: any("/after" in line for line in lines_of(path)))
    assert not any("/after" in line for line in lines_of(old))


def test_last_lines_are_written(logging_node):
    node, path = logging_node("common")
    for i in range(50):
        raw_get(node, b"/last/%d" % i)
    node.stop()
    assert sum("/last/" in line for line in lines_of(path)) == 50


def test_log_json(logging_node):
    node, _ = logging_node("off", log="json")
    Client(node)
    node.stop()
    # What is said before the format is known comes as text.
    rows = [json.loads(line) for line in node.log.splitlines() if line.startswith("{")]
    assert rows and all({"time", "level", "who", "message"} <= set(row) for row in rows)


def test_access_file_unwritable(new_node):
    node = new_node(env={"GATEHOUSE_ACCESS_LOG": "json", "GATEHOUSE_ACCESS_FILE": "/no/such/directory/log"})
    node.spawn()
    assert node.process.wait(20) == 78
    assert "access log: cannot open /no/such/directory/log: No such file or directory" in node.log
    node.process = None


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+\})? '
                    r'-?\d+(?:\.\d+)?')


def test_metrics(node, client, echo, unique):
    token = client.consumer(client.publish(unique, echo.url))[3]
    for _ in range(3):
        client.call(f"/{unique.lower()}/1.0.0/x", token)
    r = requests.get(node.mgmt + "/metrics", verify=False, timeout=10)
    assert r.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    family, seen, types = None, set(), {}
    for line in r.text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in seen, "a family is printed once"
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
            types[family] = line.split()[3]
        else:
            m = SAMPLE.fullmatch(line)
            assert m and m[1].startswith(family), line
    assert types["gatehouse_kernel_log_dropped_total"] == "counter"
    assert types["gatehouse_throttle_refused_total"] == "counter"
    assert types["gatehouse_analytics_calls_total"] == "counter"

    def counted():
        text = requests.get(node.mgmt + "/metrics", verify=False, timeout=10).text
        return int(re.search(r"^gatehouse_analytics_calls_total\{.*\} (\d+)$", text, re.M)[1]) >= 3
    wait_until(counted)
