"""A checkpoint with an average of the weights, a TorchScript and a Lightning file of one small network, and what it gives:
for tests/checkpoints.rs.

    python averages_torch.py    # writes checkpoint_average.pth, checkpoint_script.pt, checkpoint_lightning.ckpt and averages.safetensors
"""

import os
import warnings

import timm
import torch
from safetensors.torch import save_file

warnings.simplefilter("ignore")
torch.manual_seed(3)
folder = os.path.dirname(os.path.abspath(__file__))


def place(name):
    return os.path.join(folder, name)


def network():
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2, num_classes=3, dynamic_img_size=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


last, average = network(), network()
images, larger = torch.rand(2, 3, 16, 16), torch.rand(1, 3, 24, 40)
state = last.state_dict()
torch.save({"arch": "vit", "epoch": 7, "state_dict": state, "state_dict_ema": average.state_dict()},
           place("checkpoint_average.pth"))
torch.jit.trace(last, images).save(place("checkpoint_script.pt"))
torch.save({"pytorch-lightning_version": "2.5", "epoch": 1,
            "state_dict": {"model." + k: v for k, v in state.items()} | {"criterion.margin": torch.ones(2)}},
           place("checkpoint_lightning.ckpt"))
out = {"images": images, "larger": larger, "last": last.forward_features(images), "average": average.forward_features(images),
       "last_larger": last.forward_features(larger)}
save_file({k: v.detach().contiguous() for k, v in out.items()}, place("averages.safetensors"))
