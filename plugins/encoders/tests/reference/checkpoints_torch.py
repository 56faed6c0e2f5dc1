"""Small checkpoints as other programs write them, and what their networks give: for tests/weights.rs.

    python checkpoints_torch.py        # writes checkpoint_*.{pth,safetensors} and checkpoints.safetensors beside it
"""

import argparse
import collections
import os
import shutil
import tempfile

import numpy as np
import open_clip
import timm
import torch
from safetensors.torch import save_file
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig, ViTModel

torch.manual_seed(1)
folder = os.path.dirname(os.path.abspath(__file__))
out = {}


def place(name):
    return os.path.join(folder, name)


def randomize(model):
    """Position embeddings and biases that are not 0, norms that are not 1."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def save_published(model, name):
    """With the names of published checkpoints, which transformers 5 has others for in memory."""
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        shutil.copyfile(os.path.join(saved, "model.safetensors"), place(name))


images = torch.rand(2, 3, 16, 16)
out["images"] = images

# MAE's way: a zip file of a checkpoint with much beside the network.
vit = randomize(timm.models.vision_transformer.VisionTransformer(
    img_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=0))
state = collections.OrderedDict(vit.state_dict())
state["mask_token"] = torch.zeros(1, 1, 16)
state["decoder_embed.weight"] = torch.randn(4, 16)
state["decoder_blocks.0.norm1.weight"] = torch.ones(4)
optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
checkpoint = {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "scaler": None, "lr": np.float64(0.1),
              "args": argparse.Namespace(batch_size=4, data_path="somewhere"), "seen": {1, 2},
              "history": collections.defaultdict(list, {"loss": [1.0, 2.0]})}
torch.save(checkpoint, place("checkpoint_mae.pth"))
torch.save({"state_dict": {"module." + k: v for k, v in vit.state_dict().items()}}, place("checkpoint_legacy.pth"),
           _use_new_zipfile_serialization=False)
torch.save({k: v.half() for k, v in vit.state_dict().items()}, place("checkpoint_half.pth"), pickle_protocol=4)
out["vit"] = vit.forward_features(images)

# Hugging Face's ViT and DINOv2 with registers.
hf = randomize(ViTModel(ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
                                  image_size=16, patch_size=8, layer_norm_eps=1e-6), add_pooling_layer=True))
save_published(hf, "checkpoint_vit_transformers.safetensors")
out["vit_transformers"] = hf(images).last_hidden_state
dino = randomize(Dinov2WithRegistersModel(Dinov2WithRegistersConfig(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_ratio=4, image_size=16, patch_size=8,
    num_register_tokens=4)))
save_published(dino, "checkpoint_dinov2_transformers.safetensors")
out["dinov2_transformers"] = dino(images).last_hidden_state

# OpenCLIP.
clip = randomize(open_clip.CLIP(
    embed_dim=8,
    vision_cfg=open_clip.CLIPVisionCfg(layers=1, width=16, head_width=8, patch_size=8, image_size=16),
    text_cfg=open_clip.CLIPTextCfg(context_length=4, vocab_size=20, width=8, heads=2, layers=1)))
save_file(clip.state_dict(), place("checkpoint_open_clip.safetensors"))
visual = clip.visual
visual.output_tokens = True
visual.proj = None
out["open_clip"] = visual(images)[0]

save_file({k: v.detach().contiguous() for k, v in out.items()}, place("checkpoints.safetensors"))
