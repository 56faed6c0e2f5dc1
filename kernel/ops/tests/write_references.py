"""Writes reference.safetensors into the folders of ops: inputs, results and gradients, by PyTorch in float64.

The cases are those of the folder's reference.py. Inputs are float32 numbers, so that a file serves the tests in all
precisions. The gradient is that of sum(result * cotangent).

    python tests/write_references.py softmax conv    # needs torch and safetensors; all folders where none is named

Each folder's numbers begin with one seed. What is committed was drawn with torch 2.15 by one program for all ops in turn, so a
run has other numbers.
"""

import pathlib
import runpy
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OPS = pathlib.Path(__file__).resolve().parents[1] / "src"

tensors = {}


def rand(*shape, scale=1.0):
    return (torch.randn(*shape, dtype=torch.float32) * scale).double()


def case(name, f, *inputs, fixed=()):
    """`fixed` are the indices of float inputs that get no gradient."""
    inputs = [x.float().double() if x.is_floating_point() else x.clone() for x in inputs]
    leaves = []
    for index, x in enumerate(inputs):
        if x.is_floating_point():
            tensors[f"{name}.{index}"] = x.float()
            if index not in fixed:
                x.requires_grad_(True)
                leaves.append((index, x))
        else:
            tensors[f"{name}.{index}"] = x
    result = f(*inputs)
    cotangent = torch.randn(result.shape, dtype=torch.float32)
    (result * cotangent.double()).sum().backward()
    tensors[f"{name}.result"] = result.detach().contiguous()
    tensors[f"{name}.cotangent"] = cotangent.contiguous()
    for index, x in leaves:
        grad = x.grad if x.grad is not None else torch.zeros_like(x)
        tensors[f"{name}.grad.{index}"] = grad.contiguous()


def write(op):
    """Runs one folder's cases."""
    torch.manual_seed(20260101)
    torch.set_default_dtype(torch.float64)
    tensors.clear()
    runpy.run_path(str(OPS / op / "reference.py"))
    path = OPS / op / "reference.safetensors"
    save_file(tensors, path)
    print(f"{op}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB")


def main():
    given = sys.argv[1:]
    for op in given or sorted(path.parent.name for path in OPS.glob("*/reference.py")):
        if not (OPS / op / "reference.py").is_file():
            sys.exit(f"there is no {OPS / op / 'reference.py'}: name folders of {OPS}")
        write(op)


if __name__ == "__main__":
    # The cases import from this file, and this run is theirs.
    sys.modules["write_references"] = sys.modules["__main__"]
    main()
