"""PyTorch's side of `kernel/sdk/examples/ops_benchmark.rs`, which starts it.

Reads the name of a case on each line of its input and answers with the seconds of one round. Threads: the first
argument. `python ops_torch.py 2 --memory` prints the bytes that one contrastive step adds to the process instead.
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)


def forward_and_backward(f, *shape):
    x = torch.randn(*shape, requires_grad=True)

    def step():
        y = f(x)
        y.backward(torch.ones_like(y))
        x.grad = None

    return step


def forward(f, *shape):
    x = torch.randn(*shape)
    return lambda: f(x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x):
        b, n, w = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, width=192, heads=3, depth=4, classes=10):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 197, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


class Residual(nn.Module):
    """TiDE's dense block: relu between two maps, dropout, a linear skip, layer norm."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.up, self.down, self.skip = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs), nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x):
        return self.norm(F.dropout(self.down(F.relu(self.up(x))), 0.3, self.training) + self.skip(x))


class Tide(nn.Module):
    """Without covariates: 720 steps in, 96 out, width 512, two blocks each way, 32 values a step."""

    def __init__(self):
        super().__init__()
        sizes = [(720, 512), (512, 512), (512, 512), (512, 32 * 96)]
        self.dense = nn.Sequential(*[Residual(inputs, 512, outputs) for inputs, outputs in sizes])
        self.last = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
        self.skip = nn.Linear(720, 96)

    def forward(self, x):
        return self.last(self.dense(x).reshape(-1, 96, 32)).squeeze(-1) + self.skip(x)


def training(model, loss):
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step():
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()

    return step


def adamw():
    parameters = [nn.Parameter(torch.randn(1_000_000)) for _ in range(10)]
    for parameter in parameters:
        parameter.grad = torch.randn(1_000_000)
    optimizer = torch.optim.AdamW(parameters, 1e-3, fused=True)
    return optimizer.step


def attention(backward):
    q, k, v = (torch.randn(16, 3, 197, 64, requires_grad=backward) for _ in range(3))

    def step():
        y = F.scaled_dot_product_attention(q, k, v)
        if backward:
            y.backward(torch.ones_like(y))
            q.grad = k.grad = v.grad = None

    return step


def cross_entropy():
    x = torch.randn(65536, 9, requires_grad=True)
    y = torch.randint(0, 9, (65536,))

    def step():
        F.cross_entropy(x, y).backward()
        x.grad = None

    return step


def matmul():
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return lambda: a @ b


def vit():
    images, labels = torch.randn(16, 3, 224, 224), torch.randint(0, 10, (16,))
    return training(Vit(), lambda model: F.cross_entropy(model(images), labels))


def tide():
    past, future = torch.randn(64, 720), torch.randn(64, 96)
    return training(Tide(), lambda model: F.mse_loss(model(past), future))


class Contrastive(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = nn.Linear(768, 256), nn.Linear(768, 256)


def contrastive():
    """One image-text contrastive step as in ALBEF: 64 pairs against a queue of 65,536, soft targets."""
    model = Contrastive()
    image, text = torch.randn(64, 768), torch.randn(64, 768)
    queues = [F.normalize(torch.randn(256, 65536), dim=0) for _ in range(2)]

    def loss(model):
        i, t = F.normalize(model.image(image), dim=-1), F.normalize(model.text(text), dim=-1)
        with torch.no_grad():
            every_image = torch.cat([i.t(), queues[0]], 1)
            every_text = torch.cat([t.t(), queues[1]], 1)
            one_hot = torch.zeros(64, 64 + 65536)
            one_hot.fill_diagonal_(1)
            to_text = 0.4 * F.softmax(i @ every_text / 0.07, dim=1) + 0.6 * one_hot
            to_image = 0.4 * F.softmax(t @ every_image / 0.07, dim=1) + 0.6 * one_hot
        return (
            F.cross_entropy(i @ every_text / 0.07, to_text) + F.cross_entropy(t @ every_image / 0.07, to_image)
        ) / 2

    return training(model, loss)


def norm():
    f = nn.LayerNorm(192)
    x = torch.randn(16, 197, 192, requires_grad=True)

    def step():
        y = f(x)
        y.backward(torch.ones_like(y))
        x.grad = f.weight.grad = f.bias.grad = None

    return step


CASES = {
    "matmul 1024": matmul,
    "gelu forward": lambda: forward(F.gelu, 16, 197, 768),
    "gelu": lambda: forward_and_backward(F.gelu, 16, 197, 768),
    "softmax forward": lambda: forward(lambda x: F.softmax(x, -1), 48, 197, 197),
    "softmax": lambda: forward_and_backward(lambda x: F.softmax(x, -1), 48, 197, 197),
    "layer norm forward": lambda: forward(nn.LayerNorm(192), 16, 197, 192),
    "layer norm": norm,
    "attention forward": lambda: attention(False),
    "attention": lambda: attention(True),
    "cross entropy": cross_entropy,
    "AdamW 10 M": adamw,
    "ViT-tiny step": vit,
    "TiDE step": tide,
    "contrastive step": contrastive,
}


def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


if "--memory" in sys.argv:
    step = contrastive()
    before = status("VmRSS")
    step()
    print(status("VmHWM") - before)
    sys.exit()

print(torch.__version__, "with", torch.__config__.show().split("Library")[0].split("- ")[-1].strip(), flush=True)
running = {}
for line in sys.stdin:
    name, repetitions = line.rstrip("\n").split("\t")
    if name not in running:
        running[name] = CASES[name]()
        running[name]()
    start = time.perf_counter()
    for _ in range(int(repetitions)):
        running[name]()
    print((time.perf_counter() - start) / int(repetitions), flush=True)
