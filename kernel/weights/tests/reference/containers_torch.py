"""Checkpoints in the forms that training programs save, written by PyTorch: for tests/containers.rs.

    python containers_torch.py        # writes *.pth and *.pt beside it (torch 2.15)

The network is the same in all. The last weights count up from 1, their moving average from 101; what must not be read has
negative numbers. numbers of the batch norm's `num_batches_tracked` are integers, which are not read either.
"""

import argparse
import pathlib
import warnings

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

warnings.simplefilter("ignore")
folder = pathlib.Path(__file__).parent


class Net(nn.Module):
    def __init__(self, first=1.0):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.bn = nn.BatchNorm1d(3)
        self.register_buffer("scratch", torch.full((2,), -1.0), persistent=False)
        count = first
        with torch.no_grad():
            for tensor in self.state_dict().values():
                if tensor.is_floating_point():
                    tensor.copy_(torch.arange(count, count + tensor.numel()).view_as(tensor))
                    count += tensor.numel()

    def forward(self, x):
        return self.bn(self.fc(x))


last, average = Net(), Net(101.0)
optimizer = torch.optim.AdamW(last.parameters())
last(torch.randn(4, 2)).square().sum().backward()
optimizer.step()
last = Net()
sd, ema = last.state_dict(), average.state_dict()
wrong = {name: -tensor for name, tensor in sd.items()}


def front(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def save(name, value, **more):
    torch.save(value, folder / name, **more)


# timm's: the average, the last weights, and what a resumed run needs.
timm = {"epoch": 3, "arch": "vit", "state_dict": sd, "optimizer": optimizer.state_dict(), "version": 2,
        "args": argparse.Namespace(lr=0.1), "metric": 0.5, "state_dict_ema": ema}
save("timm.pth", timm)
save("timm_legacy.pth", timm, _use_new_zipfile_serialization=False)
save("only_average.pth", {"epoch": 3, "state_dict_ema": ema})
save("no_average.pth", {"state_dict": sd, "state_dict_ema": None, "optimizer": optimizer.state_dict()})
# DeiT, BasicSR.
save("deit.pth", {"model": sd, "model_ema": ema, "epoch": 1})
save("basicsr.pth", {"params": sd, "params_ema": ema})
# A dictionary; torch's AveragedModel; with a decay around it; as a "shadow".
save("ema_dict.pth", {"model_state_dict": sd, "ema": ema})
averaged = AveragedModel(average)
averaged.module.load_state_dict(ema)
averaged.n_averaged += 5
save("ema_averaged_model.pth", {"model": sd, "ema": averaged.state_dict()})
save("ema_decay.pth", {"net": sd, "ema": {"decay": 0.999, "num_updates": 10, "module": ema}})
save("ema_shadow.pth", {"net": sd, "ema": {"decay": torch.tensor(0.999), "shadow": ema}})
# torch_ema: values without names.
save("ema_unnamed.pth", {"model": sd, "ema": {"decay": 0.999, "num_updates": 3, "collected_params": None,
                                              "shadow_params": [p.detach() for p in average.parameters()]}})
# DINO, Lightning, dictionaries in dictionaries, wrappers' names.
save("dino.pth", {"student": front("module.backbone.", wrong), "teacher": front("backbone.", sd) | front("head.", wrong),
                  "optimizer": optimizer.state_dict(), "epoch": 2})
save("lightning.ckpt", {
    "epoch": 1, "global_step": 10, "pytorch-lightning_version": "2.5.0", "state_dict": front("model.", sd),
    "loops": {"fit_loop": {"state_dict": {}, "x": torch.tensor([-1.0])}}, "lr_schedulers": [{"base_lrs": [0.1]}],
    "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(-1.0)}},
    "optimizer_states": [optimizer.state_dict()], "hyper_parameters": {"weight": torch.tensor([-1.0, -2.0])}})
save("nested.pth", {"checkpoint": {"model": {"state_dict": sd}, "optimizer": {"model": wrong}}})
save("wrapped.pth", {"model": front("module._orig_mod.", sd)})
# No usual names: one dictionary, several, a tuple.
save("unknown.pth", {"best_of_run": sd, "accuracy": torch.tensor(-1.0)})
save("several.pth", {"generator": sd, "discriminator": wrong})
save("tuple.pth", (sd, optimizer.state_dict()))
# Whole networks, as torch.save(model) writes them; YOLO keeps two.
save("network.pth", last)
save("network_legacy.pth", last, _use_new_zipfile_serialization=False)
save("networks.pth", {"epoch": 1, "model": last, "ema": average, "updates": 7, "optimizer": None})
# TorchScript, whose program is compressed; frozen, its weights are constants.
scripted = torch.jit.script(last.eval())
scripted.save(str(folder / "script.pt"))
torch.jit.trace(last.eval(), torch.randn(4, 2)).save(str(folder / "traced.pt"))
torch.jit.freeze(scripted).save(str(folder / "frozen.pt"))
