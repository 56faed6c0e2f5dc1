"""PyTorch's side of `plugins/forecasters/examples/tide_benchmark.rs`, which starts it: TiDE of the same sizes.

Reads `case<TAB>repetitions` on each line of its input and answers with the seconds of one repetition. A case is
`step` or `forecast`, horizon, number of known covariates. Threads: the first argument.
"""

import torch
import torch.nn.functional as F
from torch import nn

from rounds import answer, prepare

BATCH, LOOKBACK, HIDDEN, P, TEMPORAL, WIDTH = 512, 720, 256, 8, 128, 4


class Block(nn.Module):
    """norm(dropout(output(relu(hidden(x)))) + skip(x))"""

    def __init__(self, inputs, hidden, outputs, norm=True):
        super().__init__()
        self.hidden, self.output, self.skip = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs), nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs, eps=1e-3) if norm else nn.Identity()

    def forward(self, x):
        return self.norm(F.dropout(self.output(F.relu(self.hidden(x))), 0.3, self.training) + self.skip(x))


class Tide(nn.Module):
    def __init__(self, horizon, known):
        super().__init__()
        self.horizon, self.known = horizon, known
        inputs = LOOKBACK
        if known:
            self.projection = Block(known, 64, WIDTH)
            inputs += (LOOKBACK + horizon) * WIDTH
        self.dense = nn.Sequential(
            Block(inputs, HIDDEN, HIDDEN),
            Block(HIDDEN, HIDDEN, HIDDEN),
            Block(HIDDEN, HIDDEN, HIDDEN),
            Block(HIDDEN, HIDDEN, P * horizon),
        )
        self.temporal = Block(P + (WIDTH if known else 0), TEMPORAL, 1, norm=False)
        self.skip = nn.Linear(LOOKBACK, horizon)

    def forward(self, past, known=None):
        deviation, mean = torch.std_mean(past, 1, keepdim=True, correction=0)
        past = (past - mean) / deviation
        x = past
        if self.known:
            known = self.projection(known)
            before, after = known[:, :LOOKBACK], known[:, LOOKBACK:]
            x = torch.cat([past, before.transpose(1, 2).flatten(1), after.transpose(1, 2).flatten(1)], 1)
        x = self.dense(x).reshape(-1, P, self.horizon).transpose(1, 2)
        if self.known:
            x = torch.cat([x, after], 2)
        return (self.temporal(x)[..., 0] + self.skip(past)) * deviation + mean


def case(name):
    kind, horizon, known = name.split()
    horizon, known = int(horizon), int(known)
    model = Tide(horizon, known)
    past, future = torch.randn(BATCH, LOOKBACK), torch.randn(BATCH, horizon)
    covariates = torch.rand(BATCH, LOOKBACK + horizon, known) - 0.5 if known else None
    if kind == "forecast":
        model.eval()

        def forecast():
            with torch.inference_mode():
                model(past, covariates)

        return forecast
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def step():
        optimizer.zero_grad()
        F.mse_loss(model(past, covariates), future).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    prepare()
    answer(case)
