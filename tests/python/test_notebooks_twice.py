"""Every notebook of the repository, run twice: the outputs are the same, but for times."""

import subprocess
import sys

import pytest

from notebook import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", [path for path in NOTEBOOKS if ".executed" not in path.name], ids=lambda path: path.stem)
def test_nbval_finds_no_difference(notebook):
    # Beside the notebook, whose data are found relative to it.
    executed = notebook.with_suffix(".executed.ipynb")
    command = [ROOT / "target/release/patchbay", "run", notebook, "-o", executed, "--html", ROOT / "target/notebooks" / f"{notebook.stem}.html"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        nbval = ["--nbval", "--nbval-cell-timeout", "900", "--nbval-sanitize-with", ROOT / "tests/python/sanitize.cfg"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *nbval, executed], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    finally:
        executed.unlink(missing_ok=True)
