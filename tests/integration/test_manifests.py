# SPDX-License-Identifier: Apache-2.0
"""Every manifest that is shipped can be read, and its parts fit together."""
import subprocess

import pytest

from kit.node import TOP, program_and_environment

SHIPPED = sorted((TOP / "deploy").glob("manifests/*.yaml")) + sorted((TOP / "deploy").glob("patterns/*/*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_manifest_is_whole(path, tmp_path):
    program, env = program_and_environment()
    env.update({f"GATEHOUSE_{name}_URL": "https://balancer.example:9447"
                for name in ("CONTROL", "KEY_MANAGER", "TRAFFIC", "ANALYTICS")})
    done = subprocess.run([program, "check", "--manifest", str(path)], env=env, cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "listeners" in done.stdout


def test_all_patterns_are_there():
    assert {p.parent.name[0] for p in SHIPPED if p.parent.parent.name == "patterns"} == set("1345")
    assert (TOP / "deploy" / "patterns" / "2-scalable-gateway" / "up.sh").exists()
