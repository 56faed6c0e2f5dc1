"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

mlp = lambda x, w, b, v, c, s, d: F.linear(F.relu(F.linear(x, w, b)), v, c) + F.linear(x, s, d)
for name, (rows, inputs, hidden, outputs) in {"plain": ((2, 5), 7, 21, 3), "one": ((9,), 4, 6, 1)}.items():
    x, weight, bias = torch.zeros(*rows, inputs), torch.zeros(hidden, inputs), torch.zeros(hidden)
    # Where relu bends, inputs that are rounded to half precision have another gradient.
    while F.linear(x, weight, bias).abs().min() < 0.02:
        x, weight, bias = rand(*rows, inputs), rand(hidden, inputs), rand(hidden)
    case(
        f"residual_mlp/{name}", mlp, x, weight, bias,
        rand(outputs, hidden), rand(outputs), rand(outputs, inputs), rand(outputs),
    )
