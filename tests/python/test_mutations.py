"""The list of mutations is of the sources as they are; running it takes too long for every run of the tests."""

import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def test_every_mutation_finds_its_text():
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tests/mutations.py", "--list"], text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) >= 40
