"""Numbers of timm, Hugging Face's transformers and torch for tests/parity.rs.

Weights, inputs and the directions of the gradients are made from their names by a hash that both
sides know, so none of them is stored. Everything runs in float64. Of each result the file has
[norm, largest entry, SAMPLES entries]; of each parameter the same for its gradient of
sum(tokens * a) + sum(pooled * b).

    python encoders_torch.py        # writes encoders.safetensors beside it
"""

import json
import os

import numpy as np
import timm
import torch
import transformers
from safetensors.numpy import save_file
from transformers.models.bert.modeling_bert import BertConfig, BertLayer, BertModel

from hashed import splitmix, tensor

SAMPLES = 8
torch.manual_seed(0)
torch.set_num_threads(1)


def fill(module):
    """Weights around 0; those of norms and layer scale, which are of rank 1, around 1."""
    for name, parameter in module.named_parameters():
        noise = tensor(name, *parameter.shape) * 0.1
        around_one = parameter.ndim == 1 and not name.endswith("bias")
        parameter.data = noise + 1 if around_one else noise


def digest(x):
    flat = x.detach().double().reshape(-1).numpy()
    at = splitmix(np.arange(SAMPLES, dtype=np.uint64)) % np.uint64(flat.size)
    head = [np.linalg.norm(flat), np.abs(flat).max()]
    return np.concatenate([head, flat[at.astype(np.int64)]]).astype(np.float32)


out, cases = {}, {}


def record(case, component, config, module, tokens, pooled, inputs):
    loss = (tokens * tensor("a", *tokens.shape)).sum() + (pooled * tensor("b", *pooled.shape)).sum()
    loss.backward()
    out[f"{case}/tokens"], out[f"{case}/pooled"] = digest(tokens), digest(pooled)
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            out[f"{case}/grad/{name}"] = digest(parameter.grad)
    cases[case] = {"component": component, "config": config, "inputs": inputs}


def vit(case, config, pool="token", **options):
    width, depth, heads = {"tiny": (192, 2, 3), "small": (384, 2, 6), "base": (768, 2, 12),
                           "large": (1024, 2, 16), "huge": (1280, 2, 16)}[config["preset"]]
    size, patch, channels = config["image_size"], config["patch_size"], config.get("channels", 3)
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=size, patch_size=patch, in_chans=channels, embed_dim=width, depth=depth, num_heads=heads,
        num_classes=0, global_pool=pool, **options).double().eval()
    fill(model)
    images = tensor("images", 2, channels, size, size)
    tokens = model.forward_features(images)
    record(case, "encoder/vit", {"depth": 2, **config}, model, tokens, model.forward_head(tokens, pre_logits=True),
           {"images": [2, channels, size, size]})


vit("vit_tiny", {"preset": "tiny", "image_size": 64, "patch_size": 16})
vit("vit_small", {"preset": "small", "image_size": 32, "patch_size": 8})
vit("vit_base", {"preset": "base", "image_size": 48, "patch_size": 16})
vit("vit_large", {"preset": "large", "image_size": 32, "patch_size": 16})
vit("vit_huge", {"preset": "huge", "image_size": 28, "patch_size": 14})
vit("vit_mean", {"preset": "tiny", "image_size": 32, "patch_size": 8, "channels": 5, "pool": "mean", "fc_norm": True,
                 "qkv_bias": False, "layer_scale": 0.1}, pool="avg", qkv_bias=False, init_values=0.1)
vit("vit_registers", {"preset": "tiny", "image_size": 28, "patch_size": 7, "registers": 4, "pool": "mean",
                      "position": "learned_patches", "layer_scale": 1e-5},
    pool="avg", fc_norm=False, reg_tokens=4, no_embed_class=True, init_values=1e-5)
vit("vit_registers_all", {"preset": "tiny", "image_size": 28, "patch_size": 7, "registers": 2}, reg_tokens=2)
vit("vit_map", {"preset": "tiny", "image_size": 32, "patch_size": 8, "pool": "map", "class_token": False},
    pool="map", class_token=False)
vit("vit_clip", {"preset": "tiny", "image_size": 32, "patch_size": 8, "pre_norm": True, "patch_bias": False, "activation": "quick_gelu",
                 "eps": 1e-5}, pre_norm=True, act_layer="quick_gelu",
    norm_layer=lambda width, **more: torch.nn.LayerNorm(width, eps=1e-5))


def ids_and_mask(batch, length, vocabulary):
    ids = torch.tensor((splitmix(np.arange(batch * length, dtype=np.uint64)) % np.uint64(vocabulary - 1)).astype(np.int64))
    ids = ids.reshape(batch, length) + 1
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1, length - 3:] = 0
    ids[1, length - 3:] = 0
    return ids, mask


def bert(case, config, pool):
    model = BertModel(BertConfig(
        vocab_size=config["vocabulary"], hidden_size=config["width"], num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"], intermediate_size=config.get("intermediate", 4 * config["width"]),
        max_position_embeddings=64, attn_implementation="eager"), add_pooling_layer=pool == "pooler").double().eval()
    fill(model)
    ids, mask = ids_and_mask(2, 9, config["vocabulary"])
    result = model(ids, attention_mask=mask)
    tokens = result.last_hidden_state
    # The reference says nothing of padded rows in the mean: they are left out, as sentence-transformers does.
    weights = mask.double().unsqueeze(2)
    pooled = {"cls": lambda: tokens[:, 0], "pooler": lambda: result.pooler_output,
              "mean": lambda: (tokens * weights).sum(1) / weights.sum(1)}[pool]()
    record(case, "encoder/bert", {**config, "max_positions": 64, "pool": pool}, model, tokens, pooled,
           {"ids": [2, 9], "vocabulary": config["vocabulary"]})


bert("bert_base", {"vocabulary": 500, "width": 768, "layers": 2, "heads": 12}, "pooler")
bert("bert_mini", {"vocabulary": 500, "width": 384, "layers": 2, "heads": 12, "intermediate": 1536}, "mean")
bert("bert_tiny", {"vocabulary": 300, "width": 128, "layers": 2, "heads": 2}, "cls")


class Fusion(torch.nn.Module):
    """BERT's layers, the upper one with cross-attention; no layer is causal."""

    def __init__(self, width, heads):
        super().__init__()
        self.encoder = torch.nn.Module()
        plain = BertConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width,
                           attn_implementation="eager")
        cross = BertConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width,
                           attn_implementation="eager", is_decoder=True, add_cross_attention=True)
        self.encoder.layer = torch.nn.ModuleList([BertLayer(plain), BertLayer(cross)])

    def forward(self, x, mask, context, context_mask):
        hidden = [(1 - m[:, None, None, :].double()) * -1e30 for m in (mask, context_mask)]
        x = self.encoder.layer[0](x, hidden[0])
        x = x[0] if isinstance(x, tuple) else x
        x = self.encoder.layer[1](x, hidden[0], encoder_hidden_states=context, encoder_attention_mask=hidden[1])
        return x[0] if isinstance(x, tuple) else x


fusion = Fusion(64, 4).double().eval()
fill(fusion)
_, mask = ids_and_mask(2, 9, 10)
_, context_mask = ids_and_mask(2, 6, 10)
tokens = fusion(tensor("tokens", 2, 9, 64), mask, tensor("context", 2, 6, 64), context_mask)
record("multimodal", "encoder/multimodal", {"width": 64, "layers": 2, "cross_from": 1, "heads": 4}, fusion, tokens,
       tokens[:, 0], {"tokens": [2, 9, 64], "context": [2, 6, 64]})


class Sequence(torch.nn.Module):
    def __init__(self, features, width, heads, table):
        super().__init__()
        if table:
            self.columns = torch.nn.Module()
            self.columns.weight = torch.nn.Parameter(torch.zeros(features, width))
            self.columns.bias = torch.nn.Parameter(torch.zeros(features, width))
        else:
            self.project = torch.nn.Linear(features, width)
            self.pos_embed = torch.nn.Parameter(torch.zeros(1, 256, width))
            self.cls_token = torch.nn.Parameter(torch.zeros(1, 1, width))
        self.layers = torch.nn.ModuleList([
            torch.nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", 1e-6, True, True) for _ in range(2)])
        self.norm = torch.nn.LayerNorm(width, 1e-6)
        self.table = table

    def forward(self, x, mask):
        if self.table:
            x = x[:, :, None] * self.columns.weight + self.columns.bias
        else:
            x = self.project(x.flatten(1, 2))
            x = x + self.pos_embed[:, : x.shape[1]]
            x = torch.cat([self.cls_token.expand(len(x), 1, -1), x], 1)
            mask = torch.cat([torch.ones(len(x), 1, dtype=mask.dtype), mask], 1)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=None if self.table else mask == 0)
        return self.norm(x)


steps = Sequence(5, 32, 4, False).double().train()
fill(steps)
_, mask = ids_and_mask(2, 12, 10)
tokens = steps(tensor("values", 2, 3, 4, 5), mask)
record("sequence_steps", "encoder/sequence", {"features": 5, "width": 32}, steps, tokens, tokens[:, 0],
       {"values": [2, 3, 4, 5], "masked": 12})
table = Sequence(6, 32, 4, True).double().train()
fill(table)
tokens = table(tensor("values", 3, 6), None)
record("sequence_table", "encoder/sequence", {"features": 6, "width": 32, "form": "table", "pool": "mean"}, table, tokens,
       tokens.mean(1), {"values": [3, 6]})

versions = {"torch": torch.__version__, "timm": timm.__version__, "transformers": transformers.__version__}
folder = os.path.dirname(os.path.abspath(__file__))
save_file(out, os.path.join(folder, "encoders.safetensors"), {"cases": json.dumps(cases), "versions": json.dumps(versions)})
print(len(out), "results of", len(cases), "cases")
