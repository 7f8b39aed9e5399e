# SPDX-License-Identifier: Apache-2.0
"""HAProxy before several nodes, in TCP mode."""
import shutil
import socket
import subprocess

from .node import free_ports, wait_until

PROGRAM = shutil.which("haproxy") or "/usr/sbin/haproxy"


class Haproxy:
    """`fronts`: name -> ports of the nodes behind it; `port(name)` is where clients connect."""

    def __init__(self, directory, name, fronts):
        self.ports = dict(zip(fronts, free_ports(len(fronts))))
        lines = ["global", "  maxconn 2000", "defaults", "  mode tcp", "  timeout connect 2s",
                 "  timeout client 60s", "  timeout server 60s", "  retries 3", "  option redispatch"]
        for front, targets in fronts.items():
            lines += [f"listen {front}", f"  bind 127.0.0.1:{self.ports[front]}"]
            lines += [f"  server s{i} 127.0.0.1:{port} check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions"
                      for i, port in enumerate(targets)]
        config = directory / f"{name}.cfg"
        config.write_text("\n".join(lines) + "\n")
        self.log = open(directory / f"{name}.log", "wb")
        self.process = subprocess.Popen([PROGRAM, "-db", "-f", str(config)], stdout=self.log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        for port in self.ports.values():
            wait_until(lambda p=port: self.is_open(p), what="HAProxy listens")

    def port(self, name):
        return self.ports[name]

    @staticmethod
    def is_open(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
