# SPDX-License-Identifier: Apache-2.0
"""What a manifest does not name is not there: no shared object in the process, no route."""
import re

import pytest
import requests
import yaml

from kit.client import ADMIN, ANALYTICS, PUBLISHER, STORE
from kit.cluster import Cluster

# A path that each plugin answers, in whatever way.
ROUTES = {"publisher": PUBLISHER + "/apis", "apistore": STORE + "/apis",
          "admin": ADMIN + "/settings", "keymanager": "/oauth2/jwks",
          "analytics": ANALYTICS + "/usage"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("roles")).start()
    yield made
    made.stop()


def named_plugins(manifest):
    """Names of the plugins in a manifest."""
    # Variables stand in for values only, so the text is YAML once they are gone.
    text = re.sub(r"\$\{[^}]*\}", "x", manifest.read_text())
    return {p if isinstance(p, str) else next(iter(p)) for p in yaml.safe_load(text)["plugins"]}


def loaded_plugins(node):
    """Names of the plugins whose shared objects the process has mapped."""
    maps = open(f"/proc/{node.process.pid}/maps").read()
    return set(re.findall(r"/(?:plugins|store|policies)/(?:[^/\n]+/\.libs/)?([a-z0-9_]+)\.so", maps))


@pytest.mark.parametrize("role", ["key-manager", "publisher", "store", "admin", "analytics",
                                  "traffic-manager"])
def test_role_alone(cluster, role):
    node = cluster.add(role)
    named = named_plugins(node.manifest)
    assert loaded_plugins(node) == named
    for plugin, path in ROUTES.items():
        status = requests.get(node.mgmt + path, verify=False, timeout=10).status_code
        assert (status != 404) == (plugin in named), (plugin, status)
    node.stop()


def test_control_plane(cluster):
    named = named_plugins(cluster.control.manifest)
    assert loaded_plugins(cluster.control) == named
    assert {"publisher", "apistore", "admin", "keymanager", "expose"} <= named
