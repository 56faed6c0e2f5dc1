"""Notebooks executed by Jupyter's own client."""

import pathlib
import re

import nbclient
import nbformat

NOTEBOOKS = pathlib.Path(__file__).parents[2] / "notebooks"


def test_the_quickstart_through_nbclient():
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="patchbay", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute()
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    accuracy = float(re.search(r"held-out fifth: ([\d.]+) %", text).group(1))
    assert accuracy >= 97.0
    figures = [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert len(figures) == 2
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
