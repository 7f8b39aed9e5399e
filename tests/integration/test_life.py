# SPDX-License-Identifier: Apache-2.0
"""The life of a node: start and its refusals, reload, draining, sockets handed over, logs and pages."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
from kit.client import Client
from kit.node import MANIFEST, wait_until

CANNOT_START = 78


def ended(node, deadline_s=30):
    """Exit code of a node that must not start; its log."""
    node.spawn()
    code = node.process.wait(deadline_s)
    node.process = None
    return code, node.log


def manifest_with(tmp_path, old, new):
    """The all-in-one manifest with one text replaced."""
    text = MANIFEST.read_text()
    assert old in text
    path = tmp_path / "manifest.yaml"
    path.write_text(text.replace(old, new))
    return path


# --- What keeps a node from starting ------------------------------------------------------------------

def test_port_in_use(new_node):
    node = new_node()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        node.env["GATEHOUSE_HTTP_PORT"] = str(s.getsockname()[1])
        code, log = ended(node)
    assert code == CANNOT_START
    assert re.search(r"cannot start: listener gateway: cannot bind .* Address already in use", log)
    assert not node.state.exists()  # nothing is left behind


def test_state_directory_is_a_file(new_node):
    node = new_node()
    node.state.write_text("")
    code, log = ended(node)
    assert code == CANNOT_START and "not a directory" in log


def test_state_directory_cannot_be_made(new_node):
    node = new_node()
    node.state = node.directory / "missing" / "state"
    code, log = ended(node)
    assert code == CANNOT_START and "cannot be made" in log


def test_state_directory_is_not_writable(new_node):
    node = new_node()
    node.state = node.directory / "state"
    node.state.mkdir(mode=0o555)
    plain_root = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    with open(node.log_path, "ab") as out:
        process = subprocess.Popen([*plain_root, node.program, "run", "--manifest", str(node.manifest),
                                    "--state", str(node.state)], stdout=out, stderr=subprocess.STDOUT,
                                   env=dict(node.env, ASAN_OPTIONS="detect_leaks=0"), cwd="/")
    assert process.wait(30) == CANNOT_START
    assert "not writable" in node.log


def test_store_locked_by_another_process(node, new_node):
    second = new_node()
    second.state = node.state
    code, log = ended(second)
    assert code == CANNOT_START
    assert re.search(r"leveldb.*(locked|another process|in use)", log), log


def test_certificate_unreadable(new_node):
    node = new_node(env={"GATEHOUSE_CERTIFICATE": "/nonexistent/cert.pem",
                         "GATEHOUSE_KEY": "/nonexistent/key.pem"})
    code, log = ended(node)
    assert code == CANNOT_START and "/nonexistent/cert.pem" in log


def test_manifest_missing(new_node):
    node = new_node(manifest="/nonexistent/manifest.yaml")
    code, log = ended(node)
    assert code == CANNOT_START and "/nonexistent/manifest.yaml" in log


# --- Reload -----------------------------------------------------------------------------------------

def reload(node, expect):
    before = node.log.count(expect)
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: node.log.count(expect) > before, what=f"the log says {expect!r}")


def test_reload_takes_options_and_keeps_serving(new_node, tmp_path):
    manifest = manifest_with(tmp_path, "access_log: { format: \"${GATEHOUSE_ACCESS_LOG:-off}\"",
                             "access_log: { format: off")
    node = new_node(manifest=manifest).start()
    assert requests.get(node.http + "/quiet").status_code == 404
    manifest.write_text(manifest.read_text().replace("format: off", "format: json"))
    reload(node, "reloaded")
    assert requests.get(node.http + "/loud").status_code == 404
    wait_until(lambda: "/loud" in node.log, what="the access log has the call")
    assert "/quiet" not in node.log
    line = next(x for x in node.log.splitlines() if "/loud" in x)
    assert json.loads(line)["status"] == 404


@pytest.mark.parametrize("old,new,why", [
    ("  - analytics\n", "", "plugins: a change here needs a restart"),
    ("workers: ${GATEHOUSE_WORKERS:-auto}", "workers: 3", "node: a change here needs a restart"),
    ("name: ${HOSTNAME:-local}", "name: another", "node: a change here needs a restart"),
    ("name: gateway, chain: gateway,", "name: gateway, chain: gateway, idle_ms: 9s,",
     "gateway: a change here needs a restart"),
    ("  - throttle\n", "  - throttle: { dry_run: true }\n", "throttle: a change here needs a restart"),
    ("path: data", "path: elsewhere", "path: a change here needs a restart"),
    ("  - throttle\n", "  - throttle: { no_such_option: 1 }\n", "no_such_option"),
    ("plugins:", "plugins: [", "manifest.yaml"),
])
def test_reload_refused_by_name(new_node, tmp_path, old, new, why):
    manifest = manifest_with(tmp_path, old, old)
    node = new_node(manifest=manifest).start()
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    reload(node, "not reloaded")
    assert why in node.log
    assert requests.get(node.http + "/still-there").status_code == 404


def test_many_reloads_under_calls(new_node, echo):
    node = new_node().start()
    api = Client(node).publish("Steady", echo.url, operations=[{"target": "/*", "verb": "GET",
                                                               "authType": "None"}])
    failed, stop = [], threading.Event()

    def call():
        session = requests.Session()
        while not stop.is_set():
            r = session.get(node.http + api["context"] + "/1.0.0/x", timeout=10)
            if r.status_code != 200:
                failed.append(r.text)
    threads = [threading.Thread(target=call) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(20):
            reload(node, "reloaded")
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert failed == []


# --- The end ----------------------------------------------------------------------------------------

def test_running_calls_are_finished(new_node, echo):
    node = new_node().start()
    api = Client(node).publish("Slow", echo.url, operations=[{"target": "/*", "verb": "GET",
                                                             "authType": "None"}])
    answers = []
    t = threading.Thread(target=lambda: answers.append(
        requests.get(node.http + api["context"] + "/1.0.0/slow/800", timeout=10)))
    seen = len(echo.seen)
    t.start()
    wait_until(lambda: len(echo.seen) > seen, what="the backend has the call")
    node.stop()
    t.join()
    assert answers[0].status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(node.http + "/", timeout=2)


def test_sockets_are_taken_over(new_node):
    node = new_node()
    sockets = []
    for port in (node.mgmt_port, node.https_port, node.http_port):
        s = socket.socket(socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen(16)
        sockets.append(s)

    fds = [s.fileno() for s in sockets]
    with open(node.log_path, "ab") as out:
        node.process = subprocess.Popen(
            ["/usr/bin/python3", "-c",
             "import os,sys\n"
             f"for i, fd in enumerate({[f + 100 for f in range(3)]}): os.dup2(fd, 3 + i, inheritable=True)\n"
             "os.environ.update(LISTEN_FDS='3', LISTEN_PID=str(os.getpid()))\n"
             "os.execv(sys.argv[1], sys.argv[1:])",
             node.program, "run", "--manifest", str(node.manifest), "--state", str(node.state)],
            stdout=out, stderr=subprocess.STDOUT, env=node.env, cwd=node.directory,
            pass_fds=[os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate(fds)])
    for i in range(3):
        os.close(100 + i)
    wait_until(node.is_ready, 30, what="the node is ready")
    assert requests.get(node.http + "/x").status_code == 404
    node.stop()
    # The sockets are still ours: a successor may take them.
    for s in sockets:
        s.close()


# --- Pages and logs ---------------------------------------------------------------------------------

def test_pages(node):
    assert requests.get(node.mgmt + "/healthz", verify=False).text == "ok\n"
    assert requests.get(node.mgmt + "/readyz", verify=False).text == "ready\n"
    assert requests.get(node.mgmt + "/nothing", verify=False).status_code == 404
    assert requests.get(node.http + "/healthz").status_code == 404  # not on the gateway's listener


def test_metrics_are_well_formed(node):
    r = requests.get(node.mgmt + "/metrics", verify=False)
    assert r.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    typed = set()
    for line in r.text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, f"{name} is declared twice"
            typed.add(name)
        elif not line.startswith("#"):
            m = re.fullmatch(r'([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? \S+', line)
            assert m, line
            base = re.sub(r"_(bucket|sum|count)$", "", m.group(1))
            assert m.group(1) in typed or base in typed, line
    assert "gatehouse_kernel_transactions_total" in typed


@pytest.mark.parametrize("kind", ["common", "json"])
def test_access_log(new_node, kind):
    node = new_node(env={"GATEHOUSE_ACCESS_LOG": kind, "GATEHOUSE_ACCESS_FILE": "access.log"}).start()
    requests.get(node.http + "/a/b?c=d", headers={"User-Agent": 'quo"te\x1b[31m'.encode("latin-1")})
    path = node.directory / "access.log"
    wait_until(lambda: path.exists() and "/a/b?c=d" in path.read_text(), what="a line")
    text = path.read_text()
    assert "\x1b" not in text  # such a request is refused, and nothing of it reaches a terminal
    line = next(x for x in text.splitlines() if "/a/b?c=d" in x)
    if kind == "json":
        assert json.loads(line)["status"] == 400
    else:
        assert " 400 " in line


def test_log_as_json_lines(new_node):
    node = new_node(env={"GATEHOUSE_LOG_FORMAT": "json"}).start()
    node.stop()
    lines = [json.loads(x) for x in node.log.splitlines()]
    assert any("ready" in x["message"] for x in lines)


def test_secrets_are_not_logged(new_node):
    node = new_node(env={"GATEHOUSE_LOG_LEVEL": "debug", "GATEHOUSE_ACCESS_LOG": "json"}).start()
    client = Client(node)
    node.stop()
    for secret in (client.password, client.token, client.dcr["clientSecret"]):
        assert secret not in node.log


def test_leaves_before_it_ends(new_node, tmp_path):
    """After SIGTERM /readyz says no, and calls are served until leave_ms has passed."""
    node = new_node(env={"GATEHOUSE_LEAVE": "1500ms"}).start()
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    wait_until(lambda: requests.get(node.mgmt + "/readyz", verify=False, timeout=2).status_code == 503,
               what="/readyz says no")
    assert requests.get(node.http + "/nothing", timeout=2).status_code == 404
    assert node.process.wait(10) == 0
    assert 1.4 < time.monotonic() - began < 8
    node.process = None


def test_second_signal_ends_leaving(new_node):
    node = new_node(env={"GATEHOUSE_LEAVE": "60s"}).start()
    node.process.send_signal(signal.SIGTERM)
    wait_until(lambda: requests.get(node.mgmt + "/readyz", verify=False, timeout=2).status_code == 503,
               what="/readyz says no")
    node.stop()
