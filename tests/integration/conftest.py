# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a node and an administrator per test module, a backend, unique names."""
import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from kit.client import Client  # noqa: E402
from kit.echo import Echo  # noqa: E402
from kit.node import Node  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """An all-in-one node; ended after the module, and its exit code and leaks are checked."""
    n = Node(tmp_path_factory.mktemp("node")).start()
    yield n
    n.stop()


@pytest.fixture(scope="module")
def client(node):
    return Client(node)


@pytest.fixture(scope="module")
def echo():
    backend = Echo()
    yield backend
    backend.close()


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return f"Thing{next(_numbers)}"


@pytest.fixture
def new_node(tmp_path):
    """A factory of nodes that are not started; those still running are ended after the test."""
    made = []

    def make(**kwargs):
        directory = tmp_path / f"node{len(made)}"
        directory.mkdir()
        made.append(Node(directory, **kwargs))
        return made[-1]

    yield make
    for n in made:
        if n.process is not None:
            n.stop()
