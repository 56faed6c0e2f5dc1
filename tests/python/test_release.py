"""The versions in the manifests, the Python package and the changelog are one version."""

import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def test_versions_agree():
    done = subprocess.run(["bash", "tools/release.sh", "--check"], cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
