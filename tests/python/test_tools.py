"""Tools that Jupyter's users run notebooks with: nbconvert, papermill, nbclient, jupyter console."""

import os
import re
import subprocess
import sys

import nbclient
import nbformat
import papermill
import pexpect
import pytest
from nbclient.exceptions import CellExecutionError

from notebook import outputs, write


def jupyter(*arguments, folder):
    """Runs `jupyter ARGUMENTS` in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "jupyter", *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_nbconvert_executes_and_makes_pages_and_scripts(tmp_path):
    write(tmp_path / "made.ipynb", "let x = 6;", "x * 7", 'display(&plot::lines().series("a", [1, 2]).draw()?);')
    done = jupyter("nbconvert", "--to", "html", "--execute", "made.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "made.html").read_text()
    assert "<pre>42</pre>" in page
    assert "<svg" in page or "image/svg+xml" in page
    # Keywords are highlighted: the kernel's language is known to the page.
    assert re.search(r'<span class="kd?">let</span>', page)
    done = jupyter("nbconvert", "--to", "script", "made.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "let x = 6;" in (tmp_path / "made.rs").read_text()
    # JupyterLab asks for the exporter that the executed notebook names.
    done = jupyter("execute", "--inplace", "made.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    exporter = nbformat.read(tmp_path / "made.ipynb", as_version=4).metadata.language_info["nbconvert_exporter"]
    (tmp_path / "made.rs").unlink()
    done = jupyter("nbconvert", "--to", exporter, "made.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "let x = 6;" in (tmp_path / "made.rs").read_text()


def jupytext(*arguments, folder):
    """Runs `jupytext ARGUMENTS` in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "jupytext", *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_jupytext_pairs_notebooks_with_scripts_and_executes_them(tmp_path):
    write(tmp_path / "made.ipynb", "let x = 6;", "%who", "%%bash\necho from the shell", "x * 7")
    jupytext("--to", "rs:percent", "made.ipynb", folder=tmp_path)
    script = (tmp_path / "made.rs").read_text()
    # Cells are marked by comments, and what is of another language is a comment, too.
    assert "// %%" in script and "let x = 6;" in script and "// echo from the shell" in script, script
    (tmp_path / "made.ipynb").unlink()
    jupytext("--to", "notebook", "--execute", "made.rs", folder=tmp_path)
    notebook = nbformat.read(tmp_path / "made.ipynb", as_version=4)
    assert [cell.source for cell in notebook.cells] == ["let x = 6;", "%who", "%%bash\necho from the shell", "x * 7"]
    assert notebook.cells[2].outputs[0].text == "from the shell\n"
    assert notebook.cells[3].outputs[0].data["text/plain"] == "42"


def test_papermill_sets_parameters(tmp_path):
    source = write(tmp_path / "in.ipynb", 'let rate = 0.1;\nlet steps = 3;\nlet name = "none";', "(rate, steps, name)", tags=["parameters"])
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(source, out, parameters={"rate": 0.25, "name": 'a "b"'}, progress_bar=False)
    assert outputs(out)[-1][0].data["text/plain"] == '(0.25, 3, "a \\"b\\"")'


def test_papermill_reports_the_cell_that_failed(tmp_path):
    source = write(tmp_path / "in.ipynb", "let x = 1;", "let list = vec![x];\nlist[3]", "x")
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError) as error:
        papermill.execute_notebook(source, out, progress_bar=False)
    assert "the len is 1 but the index is 3" in str(error.value)
    # What ran before is in the notebook that it leaves.
    assert any(output.output_type == "error" for cell in outputs(out) for output in cell)


def test_nbclient_stops_at_errors_or_goes_on_where_they_are_allowed(tmp_path):
    path = write(tmp_path / "in.ipynb", 'let kept = String::from("kept");', 'let number: i32 = "x".parse()?;', "kept.len()")
    with pytest.raises(CellExecutionError, match="invalid digit found in string"):
        nbclient.NotebookClient(nbformat.read(path, as_version=4), timeout=100).execute()
    notebook = nbclient.NotebookClient(nbformat.read(path, as_version=4), timeout=100, allow_errors=True).execute()
    assert [output.output_type for cell in notebook.cells for output in cell.outputs] == ["error", "execute_result"]
    assert notebook.cells[2].outputs[0].data["text/plain"] == "4"
    # A cell that says so may fail alone.
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    assert nbclient.NotebookClient(notebook, timeout=100).execute().cells[2].outputs


def test_nbval_finds_outputs_that_differ(tmp_path):
    path = write(tmp_path / "made.ipynb", "6 * 7")
    papermill.execute_notebook(path, path, progress_bar=False)
    nbval = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", str(path)]
    assert subprocess.run(nbval, capture_output=True, timeout=300).returncode == 0
    path.write_text(path.read_text().replace('"42"', '"43"'))
    done = subprocess.run(nbval, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "42" in done.stdout


COLOR = r"(?:\x1b\[[\d;]*m)*"


def prompt(kind, number):
    """The prompt `In [number]:` or `Out[number]:`, in whatever colors."""
    return rf"{kind} ?\[{COLOR}{number}{COLOR}\]"


@pytest.fixture
def console(tmp_path):
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    command = [
        "-m", "jupyter", "console", "--kernel", "patchbay", "--ZMQTerminalInteractiveShell.highlighting_style=bw",
    ]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=240, env=environment, dimensions=(40, 120))
    child.expect(prompt("In", 1))
    yield child
    child.close(force=True)


def test_jupyter_console_runs_completes_and_interrupts(console):
    console.send("let measurements = vec![3, 1, 2];\r")
    console.expect(prompt("In", 2))
    console.send("measu\t")
    console.expect("measurements")
    console.send(".len() * 14014\r")
    # Not greedy: the next prompt, which may be there already, is waited for below. Numbers of colors are shorter.
    console.expect(prompt("Out", 2) + ".*?42042")
    console.expect(prompt("In", 3))
    # What is printed is not in the line that the terminal echoes.
    console.send('println!("{}ing", "loop"); loop { std::thread::sleep(std::time::Duration::from_millis(5)); }\r')
    console.expect("looping")
    console.sendintr()
    console.expect("(?i)interrupted")
    console.expect(prompt("In", 4))
    console.send("measurements[0] * 12345\r")
    console.expect(prompt("Out", 4) + ".*?37035")
    # The arrow brings back what was typed.
    console.expect(prompt("In", 5))
    console.send("\x1b[A")
    console.expect("measurements")
