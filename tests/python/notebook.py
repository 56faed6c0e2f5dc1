"""Notebooks made by tests."""

import pathlib

import nbformat
from nbformat import v4

ROOT = pathlib.Path(__file__).parents[2]


def write(path, *cells, tags=None):
    """A notebook of code cells at `path`; `tags` are those of the first cell."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "patchbay", "display_name": "Rust (Patchbay)", "language": "rust"}
    notebook.metadata["language_info"] = {"name": "rust", "file_extension": ".rs", "mimetype": "text/rust"}
    if tags:
        notebook.cells[0].metadata["tags"] = tags
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return path


def outputs(path):
    """Lists of outputs, one for each code cell of the notebook at `path`."""
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
