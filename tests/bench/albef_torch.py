"""PyTorch's side of `plugins/albef/examples/albef_benchmark.rs`, which starts it: encoders and ALBEF's step of the same sizes.

Reads `case<TAB>repetitions` on each line of its input and answers with the seconds of one repetition. Cases: `vit forward`,
`vit step` (forward and backward of ViT-B/16 at 256 x 256, batch 4), `albef step`. Threads: the first argument.
`python albef_torch.py 2 --memory CASE` prints the bytes that two steps add to the process, model included, instead.

ALBEF's step makes the passes of the official program (model_pretrain.py of salesforce/ALBEF), with PyTorch's fused attention
and optimizer, and multi-tensor momentum updates, which the official program does not have.
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

from rounds import answer, prepare

# The medium size, as in albef_benchmark.rs.
IMAGE, PATCH, WIDTH, DEPTH, HEADS = 128, 16, 384, 6, 6
LAYERS, FUSION, VOCABULARY, LENGTH = 6, 3, 8192, 30
BATCH, EMBED, QUEUE, MOMENTUM = 16, 256, 4096, 0.995


def attention(q, k, v, heads, mask=None):
    split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=mask).transpose(1, 2).flatten(2)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.proj(attention(*self.qkv(self.norm1(x)).chunk(3, -1), self.heads))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, image, patch, width, depth, heads):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 1 + (image // patch) ** 2, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class SelfOrCross(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, context, mask=None):
        mixed = attention(self.query(x), self.key(context), self.value(context), self.heads, mask)
        return self.norm(x + self.dense(mixed))


class Layer(nn.Module):
    def __init__(self, width, heads, cross):
        super().__init__()
        self.attention = SelfOrCross(width, heads)
        self.cross = SelfOrCross(width, heads) if cross else None
        self.up, self.down, self.norm = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, mask, context=None):
        x = self.attention(x, x, mask)
        if self.cross:
            x = self.cross(x, context)
        return self.norm(x + self.down(F.gelu(self.up(x))))


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(512, WIDTH)
        self.types = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer(WIDTH, HEADS, number >= FUSION) for number in range(LAYERS))
        self.dense, self.head_norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))

    def text(self, ids, mask):
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]
        x = self.norm(x)
        for layer in self.layers[:FUSION]:
            x = layer(x, mask)
        return x

    def fuse(self, x, mask, image):
        for layer in self.layers[FUSION:]:
            x = layer(x, mask, image)
        return x

    def logits(self, x):
        return F.linear(self.head_norm(F.gelu(self.dense(x))), self.words.weight, self.bias)


class Albef(nn.Module):
    def __init__(self):
        super().__init__()
        make = lambda: nn.ModuleDict(
            {"image": Vit(IMAGE, PATCH, WIDTH, DEPTH, HEADS), "text": Text(), "image_proj": nn.Linear(WIDTH, EMBED),
             "text_proj": nn.Linear(WIDTH, EMBED)}
        )
        self.online, self.copy = make(), make()
        self.copy.load_state_dict(self.online.state_dict())
        self.copy.requires_grad_(False)
        self.match = nn.Linear(WIDTH, 2)
        self.temperature = nn.Parameter(torch.tensor(0.07))
        self.register_buffer("image_queue", F.normalize(torch.randn(EMBED, QUEUE), dim=0))
        self.register_buffer("text_queue", F.normalize(torch.randn(EMBED, QUEUE), dim=0))

    def forward(self, image, ids, alpha=0.4):
        online, copy = self.online, self.copy
        n = len(image)
        mask = (ids != 0)[:, None, None, :]
        images = online["image"](image)
        image_feat = F.normalize(online["image_proj"](images[:, 0]), dim=-1)
        text = online["text"].text(ids, mask)
        text_feat = F.normalize(online["text_proj"](text[:, 0]), dim=-1)
        with torch.no_grad():
            torch._foreach_lerp_(list(copy.parameters()), list(online.parameters()), 1 - MOMENTUM)
            images_m = copy["image"](image)
            image_all = torch.cat([F.normalize(copy["image_proj"](images_m[:, 0]), dim=-1).t(), self.image_queue], 1)
            text_m = copy["text"].text(ids, mask)
            text_all = torch.cat([F.normalize(copy["text_proj"](text_m[:, 0]), dim=-1).t(), self.text_queue], 1)
            one_hot = torch.zeros(n, n + QUEUE).fill_diagonal_(1)
            target = lambda feat, every: alpha * F.softmax(feat @ every / self.temperature, 1) + (1 - alpha) * one_hot
            i2t_target, t2i_target = target(image_all[:, :n].t(), text_all), target(text_all[:, :n].t(), image_all)
        i2t, t2i = image_feat @ text_all / self.temperature, text_feat @ image_all / self.temperature
        itc = -(F.log_softmax(i2t, 1) * i2t_target).sum(1).mean() - (F.log_softmax(t2i, 1) * t2i_target).sum(1).mean()
        self.image_queue[:, :n], self.text_queue[:, :n] = image_all[:, :n], text_all[:, :n]

        positive = online["text"].fuse(text, mask, images)
        with torch.no_grad():
            draw = lambda weights: torch.multinomial(F.softmax(weights[:, :n], 1).fill_diagonal_(0) + 1e-6, 1)[:, 0]
            negative_text, negative_image = draw(i2t), draw(t2i)
        negative = online["text"].fuse(
            torch.cat([text, text[negative_text]]),
            torch.cat([mask, mask[negative_text]]),
            torch.cat([images[negative_image], images]),
        )
        pairs = self.match(torch.cat([positive[:, 0], negative[:, 0]]))
        itm = F.cross_entropy(pairs, torch.cat([torch.ones(n), torch.zeros(2 * n)]).long())

        masked = ids.clone()
        chosen = (torch.rand(ids.shape) < 0.15) & (ids > 2)
        chosen[:, 1] = True
        masked[chosen] = 3
        labels = ids.masked_fill(~chosen, -100)
        with torch.no_grad():
            soft = F.softmax(copy["text"].logits(copy["text"].fuse(copy["text"].text(masked, mask), mask, images_m)), -1)
        logits = online["text"].logits(online["text"].fuse(online["text"].text(masked, mask), mask, images))
        hard = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        distilled = -(F.log_softmax(logits, -1) * soft).sum(-1)[chosen].mean()
        return itc / 2 + itm + (1 - alpha) * hard + alpha * distilled


def case(name):
    if name.startswith("vit"):
        model = Vit(256, 16, 768, 12, 12)
        image = torch.randn(4, 3, 256, 256)
        if name == "vit forward":

            def forward():
                with torch.inference_mode():
                    model(image)

            return forward

        def step():
            model.zero_grad()
            model(image)[:, 0].square().mean().backward()

        return step
    model = Albef()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4, weight_decay=0.02, fused=True)
    image, ids = torch.randn(BATCH, 3, IMAGE, IMAGE), torch.randint(4, VOCABULARY, (BATCH, LENGTH))

    def step():
        optimizer.zero_grad()
        model(image, ids).backward()
        optimizer.step()

    return step


def status(key):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def main():
    prepare()
    if "--memory" in sys.argv:
        before = status("VmRSS")
        run = case(sys.argv[-1])
        run(), run()
        print(status("VmHWM") - before)
        return
    answer(case)


if __name__ == "__main__":
    main()
