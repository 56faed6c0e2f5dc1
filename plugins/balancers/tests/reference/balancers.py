"""Reference numbers for tests/parity.rs: factors of each balancer on random gradients.

    pip install torch torchjd quadprog qpsolvers scipy
    python balancers.py

Writes balancers.json. TorchJD 0.18 gives UPGrad, DualProj, PCGrad (two gradients: no order), IMTL-G, Aligned-MTL, ConFIG, MoDo,
CR-MOGM, and of its scalarizers IMTL-L, COSMOS and PBI. CAGrad, MGDA, SDMGrad, Nash-MTL and FairGrad are the solutions of their problems by SciPy; GradVac and PCGrad in a fixed order are
the papers' formulas, the others those of LibMTL, written down in NumPy. Each problem is K gradients of 12 numbers, of which
the first 7 belong to one shared parameter and the last 5 to another, and K losses.
"""

import json
import pathlib

import numpy as np
import scipy.optimize
import torch
from torchjd import aggregation, scalarization

rng = np.random.default_rng(7)
CASES = {
    "two": (2, rng.normal(size=(2, 12)), [0.7, 1.9]),
    "conflict": (2, None, [1.0, 1.0]),
    "three": (3, rng.normal(size=(3, 12)) * np.array([[1.0], [5.0], [0.2]]), [2.0, 0.3, 1.1]),
    "five": (5, rng.normal(size=(5, 12)), [1.0, 2.0, 3.0, 0.5, 0.1]),
}
base = rng.normal(size=12)
CASES["conflict"] = (2, np.stack([base, -0.8 * base + 0.3 * rng.normal(size=12)]), [1.0, 1.5])


def torchjd_weights(weighting, gram):
    return weighting(torch.tensor(gram)).numpy()


def config_weights(gradients, preference=None):
    """Factors with which the gradients add up to TorchJD's step."""
    preference = None if preference is None else torch.tensor(preference)
    step = aggregation.ConFIG(preference)(torch.tensor(gradients)).numpy()
    return np.linalg.lstsq(gradients.T, step, rcond=None)[0]


def slope(scalarizer, losses):
    """What each loss's gradient is multiplied with."""
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(scalarizer(values), values)[0].numpy()


def imtl_l(losses, initial):
    scalarizer = scalarization.IMTLL(len(losses)).double()
    torch.nn.init.constant_(scalarizer.log_scale, initial)
    return slope(scalarizer, losses)


def over_steps(weighting, gradients):
    """The weights of each step by the products of its gradients."""
    return [torchjd_weights(weighting, g @ g.T).tolist() for g in gradients]


def simplex(function, k):
    """A convex function's minimum over the simplex, by SLSQP from several starts at the tightest tolerance."""
    best = None
    for start in [np.full(k, 1 / k), *np.eye(k) * 0.8 + 0.2 / k]:
        result = scipy.optimize.minimize(
            function,
            start,
            bounds=[(0, 1)] * k,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            tol=1e-14,
            options={"maxiter": 2000, "ftol": 1e-15},
        )
        if best is None or result.fun < best.fun:
            best = result
    return best.x


def cagrad(gram, c=0.5):
    k = len(gram)
    b = np.full(k, 1 / k)
    radius = c * np.sqrt(b @ gram @ b)
    w = simplex(lambda w: w @ gram @ b + radius * np.sqrt(w @ gram @ w + 1e-16), k)
    return (b + radius / np.sqrt(w @ gram @ w) * w) / (1 + c * c)


def fair(gram, alpha):
    start = np.diag(gram) ** (-alpha / (alpha + 1))
    result = scipy.optimize.least_squares(
        lambda x: gram @ np.exp(x) - np.exp(-x / alpha), np.log(start), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    return np.exp(result.x)


def nash(gram):
    w = fair(gram / np.linalg.norm(gram), 1.0)
    return w * min(1.0, 1.0 / np.sqrt(w @ gram @ w))


def sdmgrad(gram, lam=0.3):
    k = len(gram)
    b = np.full(k, 1 / k)
    w = simplex(lambda w: (w + lam * b) @ gram @ (w + lam * b) / np.trace(gram), k)
    return (w + lam * b) / (1 + lam)


def mgda(gram, divisors):
    scaled = gram / np.outer(divisors, divisors)
    return simplex(lambda w: w @ scaled @ w / np.trace(scaled), len(gram)) / divisors


def famo(steps, rate=0.025, gamma=1e-3):
    """The authors' famo.py: losses before and after each of some steps; the weights of each step."""
    k = len(steps[0][0])
    logits = torch.zeros(k, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=rate, weight_decay=gamma)
    weights = []
    for before, after in steps:
        before, after = torch.tensor(before, dtype=torch.float64), torch.tensor(after, dtype=torch.float64)
        z = torch.softmax(logits, -1)
        d = before + 1e-8
        c = (z / d).sum().detach()
        weights.append((z / d / c).detach().tolist())
        delta = d.log() - (after + 1e-8).log()
        (logits.grad,) = torch.autograd.grad(torch.softmax(logits, -1), logits, grad_outputs=delta)
        optimizer.step()
    return weights


def gradnorm(norms, losses, alpha=1.5, rate=0.025):
    """w = K softmax(s), s by Adam on the sum of absolute distances; the gradients' lengths are constants."""
    k = len(norms[0])
    s = torch.zeros(k, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([s], lr=rate)
    first = torch.tensor(losses[0], dtype=torch.float64)
    weights = []
    for n, l in zip(norms, losses):
        n, l = torch.tensor(n, dtype=torch.float64), torch.tensor(l, dtype=torch.float64)
        w = k * torch.softmax(s, -1)
        weights.append(w.tolist())
        ratio = l / first
        ratio = ratio / ratio.mean()
        lengths = w * n
        goal = (lengths.mean() * ratio**alpha).detach()
        optimizer.zero_grad()
        (lengths - goal).abs().sum().backward()
        optimizer.step()
    return weights


def sequences(k, steps=4):
    gradients = rng.normal(size=(steps, k, 12))
    losses = np.exp(rng.normal(size=(steps, k)) * 0.4)
    return gradients, losses


def db_mtl(gradients, losses, beta=0.9):
    out, buffer = [], 0
    for g, l in zip(gradients, losses):
        g = g / l[:, None]
        buffer = g + beta * (buffer - g)
        lengths = np.linalg.norm(buffer, axis=1)
        out.append(((lengths.max() / lengths)[:, None] * buffer).sum(0))
    return out


def moco(gradients, losses, beta=0.5, beta_sigma=0.5, gamma=0.1, gamma_sigma=0.5):
    k = len(losses[0])
    y, w, out = np.zeros((k, 12)), np.full(k, 1 / k), []
    for step, (g, l) in enumerate(zip(gradients, losses), 1):
        g = g / (np.linalg.norm(g, axis=1, keepdims=True) + 1e-8) * l[:, None]
        y = y - beta / step**beta_sigma * (y - g)
        w = w - gamma / step**gamma_sigma * (y @ y.T) @ w
        w = np.exp(w - w.max()) / np.exp(w - w.max()).sum()
        out.append(y.T @ w)
    return out


def excess(gradients, rate=0.01):
    """LibMTL/weighting/ExcessMTL.py with weights of sum 1: the first step is weighed evenly."""
    k = len(gradients[0])
    squares, first, w, out = np.zeros_like(gradients[0]), None, np.full(k, 1 / k), []
    for g in gradients:
        squares = squares + g**2
        e = (g**2 / np.sqrt(squares + 1e-7)).sum(1)
        if first is None:
            first = e
        else:
            w = w * np.exp(rate * e / first)
            w = w / w.sum()
        out.append(w.tolist())
    return out


def gradvac(gradients, beta=0.5):
    """The paper's formula on the gradients themselves, each gone through with the others in their order: the combined
    gradient of each step, and its factors. (LibMTL lets rho follow only where a gradient was turned.)"""
    k = len(gradients[0])
    rho, out, factors = np.zeros((k, k)), [], []
    for g in gradients:
        total, weights = np.zeros(g.shape[1]), np.eye(k)
        for i in range(k):
            own = g[i].copy()
            for j in range(k):
                if j == i:
                    continue
                length, other = np.linalg.norm(own), np.linalg.norm(g[j])
                cosine, goal = own @ g[j] / (length * other), rho[i, j]
                if cosine < goal:
                    w = length * (goal * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - goal**2))
                    w = w / (other * np.sqrt(1 - goal**2))
                    own += g[j] * w
                    weights[i, j] += w
                rho[i, j] = (1 - beta) * goal + beta * cosine
            total += own
        out.append(total)
        factors.append(weights.sum(0).tolist())
    return out, factors


def pcgrad(gradients):
    """Algorithm 1 of the paper, each gradient gone through with the others in their order: the factors of each step."""
    factors = []
    for g in gradients:
        k = len(g)
        weights = np.eye(k)
        for i in range(k):
            own = g[i].copy()
            for j in range(k):
                if j != i and own @ g[j] < 0:
                    w = own @ g[j] / (g[j] @ g[j])
                    own -= w * g[j]
                    weights[i, j] -= w
        factors.append(weights.sum(0).tolist())
    return factors


def dwa(losses, temperature=2.0):
    """LibMTL/weighting/DWA.py where each step is an epoch."""
    out = []
    for epoch, l in enumerate(losses):
        if epoch > 1:
            w = torch.tensor(losses[epoch - 1] / losses[epoch - 2] / temperature)
            out.append((len(l) * torch.softmax(w, -1)).tolist())
        else:
            out.append([1.0] * len(l))
    return out


def stch(losses, mu=1.0, warmup=2):
    """LibMTL/weighting/STCH.py where each step is an epoch: what each loss's gradient is multiplied with."""
    out = []
    for epoch, l in enumerate(losses):
        l = torch.tensor(l, requires_grad=True)
        if epoch <= warmup:
            total = torch.log(l).sum()
        else:
            relative = torch.log(l / torch.tensor(losses[warmup]))
            total = mu * torch.logsumexp(relative / mu, -1) * len(l)
        out.append(torch.autograd.grad(total, l)[0].tolist())
    return out


def main():
    numbers = {"cases": {}, "sequence": {}}
    for name, (k, gradients, losses) in CASES.items():
        gradients = gradients.astype(np.float32).astype(np.float64)
        gram = gradients @ gradients.T
        lengths, values = np.sqrt(np.diag(gram)), np.array(losses)
        preference = np.arange(1.0, k + 1)
        preferred = torch.tensor(preference)
        weights = {
            "upgrad": torchjd_weights(aggregation.UPGradWeighting(), gram),
            "mgda": mgda(gram, np.ones(k)),
            "mgda l2": mgda(gram, lengths),
            "mgda loss": mgda(gram, values),
            "mgda loss+": mgda(gram, lengths * values),
            "imtl_g": torchjd_weights(aggregation.IMTLGWeighting(), gram),
            "aligned_mtl": torchjd_weights(aggregation.AlignedMTLWeighting(), gram),
            "aligned_mtl mean": torchjd_weights(aggregation.AlignedMTLWeighting(scale_mode="rmse"), gram),
            "dual_proj": torchjd_weights(aggregation.DualProjWeighting(), gram),
            "dual_proj preferred": torchjd_weights(aggregation.DualProjWeighting(preferred), gram),
            "config": config_weights(gradients),
            "config preferred": config_weights(gradients, preference),
            "imtl_l": imtl_l(losses, 0.0),
            "imtl_l 0.3": imtl_l(losses, 0.3),
            "cosmos": slope(scalarization.COSMOS(1.0, torch.ones(k).double()), losses),
            "cosmos 5": slope(scalarization.COSMOS(5.0, preferred), losses),
            "pbi": slope(scalarization.PBI(0.5, torch.ones(k).double()), losses),
            "pbi 5": slope(scalarization.PBI(5.0, preferred, -preferred), losses),
            "cagrad": cagrad(gram),
            "nash_mtl": nash(gram),
            "fairgrad": fair(gram, 1.0),
            "fairgrad 2": fair(gram, 2.0),
            "sdmgrad": sdmgrad(gram),
            "gls": np.exp(np.log(values).mean()) / (k * values),
            "equal": np.ones(k),
            "uncertainty": np.full(k, 0.5 * np.exp(0.5)),
            "fixed": np.arange(1.0, k + 1),
        }
        if k == 2:
            weights["pcgrad"] = torchjd_weights(aggregation.PCGradWeighting(), gram)
        numbers["cases"][name] = {
            "gradients": gradients.tolist(),
            "losses": losses,
            "weights": {key: np.asarray(value).tolist() for key, value in weights.items()},
        }
    gradients, losses = sequences(3)
    gradients = gradients.astype(np.float32).astype(np.float64)
    _, after = sequences(3)
    norms = np.linalg.norm(gradients, axis=2)
    numbers["sequence"] = {
        "gradients": gradients.tolist(),
        "losses": losses.tolist(),
        "after": after.tolist(),
        "db_mtl": [x.tolist() for x in db_mtl(gradients, losses)],
        "moco": [x.tolist() for x in moco(gradients, losses)],
        "excess_mtl": excess(gradients),
        "famo": famo(list(zip(losses, after))),
        "gradnorm": gradnorm(norms, losses),
        "dwa": dwa(losses),
        "stch": stch(losses),
        "gradvac": [x.tolist() for x in gradvac(gradients[:, :2])[0]],
        "modo": over_steps(aggregation.MoDoWeighting(gamma=0.01), gradients),
        "cr_mogm": over_steps(aggregation.CRMOGMWeighting(aggregation.UPGradWeighting(), alpha=0.6), gradients),
    }
    numbers["fixed_order"] = {
        "grams": [(g @ g.T).tolist() for g in gradients],
        "pcgrad": pcgrad(gradients),
        "gradvac": gradvac(gradients)[1],
    }
    path = pathlib.Path(__file__).with_name("balancers.json")
    path.write_text(json.dumps(numbers))
    print(f"{path.name}: {path.stat().st_size} bytes")


main()
