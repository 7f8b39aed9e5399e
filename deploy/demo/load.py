# SPDX-License-Identifier: Apache-2.0
"""Calls one URL without a pause, on new and on kept connections, until SIGTERM; then says how it went.

usage: load.py URL TOKEN CA-FILE THREADS     exit code 0: every call was answered 200
"""
import collections
import http.client
import signal
import ssl
import sys
import threading
import urllib.parse

KEPT = 50  # calls on one connection


def call_on(connection, path, token, outcomes, is_over):
    """A kept connection may end between two calls: then the next one goes on a new one (RFC 9110, 9.2.2)."""
    for i in range(KEPT):
        if is_over.is_set():
            return
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            if i == 0:
                raise
            return
        response.read()
        outcomes[response.status] += 1
        if response.will_close:
            return


def work(url, token, context, outcomes, is_over):
    while not is_over.is_set():
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=10)
        try:
            call_on(connection, url.path, token, outcomes, is_over)
        except (OSError, http.client.HTTPException) as error:
            outcomes[type(error).__name__] += 1
        finally:
            connection.close()


def main():
    url, token = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context(cafile=sys.argv[3])
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    counts = [collections.Counter() for _ in range(int(sys.argv[4]))]
    threads = [threading.Thread(target=work, args=(url, token, context, c, is_over)) for c in counts]
    for t in threads:
        t.start()
    is_over.wait()
    for t in threads:
        t.join()
    total = sum(counts, collections.Counter())
    print(" ".join(f"{k}:{v}" for k, v in sorted(total.items(), key=str)))
    return 0 if total and set(total) == {200} else 1


if __name__ == "__main__":
    sys.exit(main())
