"""The reference numbers of TiDE: PyTorch in float64, from the weights and inputs that the file holds.

  python tide_reference.py            # compares tide_small.safetensors with what PyTorch computes
  python tide_reference.py --write    # writes the computed numbers over the stored ones

Das et al. 2023, section 4; normalization and the order of the encoder's input are those of the authors' program
(google-research/tide, models.py). Weights are drawn at random; the file's own are kept.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import layer_norm, linear

FOLDER = Path(__file__).parent


def block(weights, name, x, eps):
    def affine(part, value):
        return linear(value, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"])

    y = affine("output", torch.relu(affine("hidden", x))) + affine("skip", x)
    if f"{name}.norm.weight" in weights:
        y = layer_norm(y, y.shape[-1:], weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"], eps)
    return y


def tide(config, weights, window):
    """All steps of a forward pass; `forecast` is [batch, horizon]."""
    lookback, horizon = config["lookback"], config["horizon"]
    eps = config["layer_norm_eps"]
    past = window["lookback"]
    if config["reversible"]:
        mean = past.mean(1, keepdim=True)
        deviation = past.std(1, keepdim=True, correction=0)
        deviation = torch.where(deviation == 0, 1.0, deviation)
        past = (past - mean) / deviation
        if config["series"]:
            scale = weights["affine_weight"][window["series"]][:, None]
            shift = weights["affine_bias"][window["series"]][:, None]
            past = past * scale + shift

    def flat(projected):
        return projected.transpose(1, 2).flatten(1)

    steps, inputs = {}, [past]
    if config["past_covariates"]:
        inputs.append(flat(block(weights, "past_projection", window["past_covariates"], eps)))
    if config["covariates"]:
        known = steps["projected_covariates"] = block(weights, "feature_projection", window["covariates"], eps)
        inputs += [flat(known[:, :lookback]), flat(known[:, lookback:])]
    if config["static"]:
        inputs.append(window["static"])
    x = steps["encoder_input"] = torch.cat(inputs, 1)
    for index in range(config["encoder_layers"]):
        x = block(weights, f"encoder.{index}", x, eps)
    steps["encoding"] = x
    for index in range(config["decoder_layers"]):
        x = block(weights, f"decoder.{index}", x, eps)
    x = steps["decoded"] = x.reshape(len(x), config["decoder_output"], horizon)
    x = x.transpose(1, 2)
    if config["covariates"]:
        x = torch.cat([x, known[:, lookback:]], 2)
    steps["network"] = block(weights, "temporal_decoder", x, eps)[..., 0]
    steps["linear"] = linear(past, weights["global_skip.weight"], weights["global_skip.bias"])
    forecast = steps["network"] + steps["linear"]
    if config["reversible"]:
        if config["series"]:
            forecast = (forecast - shift) / (scale + 1e-7)
        forecast = forecast * deviation + mean
    return forecast, steps


def main():
    description = json.loads((FOLDER / "tide_small.json").read_text())
    stored = load_file(FOLDER / "tide_small.safetensors")
    computed = dict(stored)
    for name, case in description["cases"].items():

        def part(kind):
            prefix = f"{name}/{kind}/"
            found = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
            return {key: value.double() if value.is_floating_point() else value for key, value in found.items()}

        weights = {key: value.requires_grad_() for key, value in part("weight").items()}
        forecast, steps = tide(case["config"], weights, part("input"))
        loss = (forecast - stored[f"{name}/target"].double()).square().mean()
        loss.backward()
        case["loss"] = loss.item()
        computed[f"{name}/forecast"] = forecast
        computed[f"{name}/loss"] = loss.reshape(1)
        computed |= {f"{name}/step/{key}": value for key, value in steps.items()}
        computed |= {f"{name}/grad/{key}": value.grad for key, value in weights.items()}
    worst = 0.0
    for key, value in computed.items():
        if value.is_floating_point():
            computed[key] = value = value.detach().float().contiguous()
            worst = max(worst, ((value - stored[key]).abs().max() / stored[key].abs().max().clamp(min=1e-6)).item())
    print(f"largest difference from the stored numbers: {worst:.1e}")
    if "--write" in sys.argv:
        save_file(computed, FOLDER / "tide_small.safetensors")
        (FOLDER / "tide_small.json").write_text(json.dumps(description, indent=1) + "\n")


if __name__ == "__main__":
    main()
