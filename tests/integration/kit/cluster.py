# SPDX-License-Identifier: Apache-2.0
"""Nodes of one cluster, each role in a process of its own."""
import os
import types

import requests

from .client import Client
from .node import Node, TOP, free_ports

CLUSTER = "/api/am/cluster/v1"
MANIFESTS = TOP / "deploy" / "manifests"
# Certificate roles of each manifest.
ROLES = {"key-manager": ["control"], "publisher": ["control"], "store": ["control"],
         "admin": ["control"], "analytics": ["analytics"], "traffic-manager": ["traffic"],
         "gateway": ["gateway"]}


GATEWAY_LISTENERS = """
  - { name: gateway_tls, chain: gateway, engine: http, address: "[::]", port: ${GATEHOUSE_HTTPS_PORT}, tls: true }
  - { name: gateway, chain: gateway, engine: http, address: "[::]", port: ${GATEHOUSE_HTTP_PORT} }

plugins:
  - gateway"""


def has_plugin(name):
    """Was that plugin built?"""
    prefix = os.environ.get("GATEHOUSE_PREFIX")
    if prefix:
        return os.path.exists(f"{prefix}/lib/gatehouse/plugins/{name}.so")
    return os.path.exists(f"{os.environ['GATEHOUSE_BUILD']}/plugins/{name}/.libs/{name}.so")


class Cluster:
    """A control plane and the nodes that joined it.  Nodes are made by `add` and end with `stop`.

    Where the plugin sync is left out of the build, the gateway is a part of the control plane, and
    nodes that want a feed get an empty one.
    """

    def __init__(self, directory, workers=1, env=None):
        self.directory, self.workers, self.nodes = directory, workers, []
        self.has_sync = has_plugin("sync")
        self.control = self.new("control-plane", env or {})
        self.key_manager = self.control  # whom publisher, store and others ask about tokens

    def manifest(self, role, directory):
        source = (MANIFESTS / f"{role}.yaml").read_text()
        if not self.has_sync:
            source = source.replace('- sync: { url: "${GATEHOUSE_CONTROL_URL}" }',
                                    "- leveldb: { as: no_feed, path: no_feed, provide: [feed/1] }")
            if role == "control-plane":
                source = source.replace("\nplugins:", GATEWAY_LISTENERS, 1)
        path = directory / f"{role}.yaml"
        path.write_text(source)
        return path

    def new(self, role, env, manifest=None):
        """A node that is not started."""
        directory = self.directory / f"{role}{len(self.nodes)}"
        directory.mkdir()
        port = free_ports(1)[0]
        node = Node(directory, manifest=manifest or self.manifest(role, directory),
                    workers=self.workers,
                    env={"GATEHOUSE_CLUSTER_PORT": str(port), "HOSTNAME": directory.name, **env})
        node.cluster_port = port
        node.cluster_url = f"https://127.0.0.1:{port}"
        self.nodes.append(node)
        return node

    def start(self):
        self.control.start()
        self.client = Client(self.control)
        return self

    def token(self, roles, **more):
        """A token to join with."""
        return self.client.rest("POST", CLUSTER + "/join-tokens", 201,
                                json={"roles": roles, **more})["token"]

    def prepare(self, role, manifest=None, env=None):
        """A node of that manifest, not started."""
        known = {"GATEHOUSE_CONTROL_URL": self.control.cluster_url,
                 "GATEHOUSE_KEY_MANAGER_URL": self.key_manager.cluster_url,
                 "GATEHOUSE_ANALYTICS_URL": self.control.cluster_url,
                 "GATEHOUSE_CLUSTER_KEY_FILE": str(self.control.state / "cluster.key")}
        known.update(env or {})
        if "GATEHOUSE_JOIN_TOKEN" not in known:
            known["GATEHOUSE_JOIN_TOKEN"] = self.token(ROLES[role])
        return self.new(role, known, manifest)

    def add(self, role, **kwargs):
        return self.prepare(role, **kwargs).start()

    def gateway(self):
        """A gateway of its own, or the control plane's."""
        return self.add("gateway") if self.has_sync else self.control

    def stop(self):
        problems = []
        for node in reversed(self.nodes):
            try:
                node.stop()
            except (AssertionError, RuntimeError) as e:
                problems.append(str(e))
        assert not problems, "\n".join(problems)


class SplitSession(requests.Session):
    """Sends each request to the node that answers its path."""

    def __init__(self, nodes):
        super().__init__()
        self.verify = self.trust_env = False
        self.nodes = nodes  # beginning of a path -> node

    def request(self, method, url, **kwargs):
        _, _, path = url.partition("//split.invalid")
        if path:
            for prefix, node in self.nodes.items():
                if path.startswith(prefix):
                    return super().request(method, node.mgmt + path, **kwargs)
            raise AssertionError(f"no node answers {path}")
        return super().request(method, url, **kwargs)


class SplitClient(Client):
    """A client of a deployment whose roles are apart."""

    def __init__(self, key_manager, publisher, store, admin, gateway):
        nodes = {"/client-registration/": key_manager, "/oauth2/": key_manager,
                 "/api/am/publisher": publisher, "/api/am/devportal": store, "/api/am/admin": admin}
        front = types.SimpleNamespace(mgmt="https://split.invalid", http=gateway.http,
                                      https=gateway.https)
        super().__init__(front, session=SplitSession(nodes))
