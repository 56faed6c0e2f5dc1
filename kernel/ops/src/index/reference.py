"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

case("gather/last", lambda x, i: x.gather(2, i), rand(3, 4, 5), torch.randint(0, 5, (3, 2, 7)))
case("gather/first", lambda x, i: x.gather(0, i), rand(3, 4), torch.randint(0, 3, (6, 4)))
distinct = torch.stack([torch.randperm(5)[:3] for _ in range(8)]).reshape(2, 4, 3)
case("scatter/last", lambda x, i, s: x.scatter(2, i, s), rand(3, 4, 5), distinct, rand(2, 4, 3))
case("scatter_add/last", lambda x, i, s: x.scatter_add(2, i, s), rand(3, 4, 5), torch.randint(0, 5, (2, 4, 6)), rand(2, 4, 6))
case("scatter_add/first", lambda x, i, s: x.scatter_add(0, i, s), rand(3, 4), torch.randint(0, 3, (5, 2)), rand(5, 2))
ids = torch.randint(0, 11, (3, 5))
case("embedding/plain", lambda w, i: F.embedding(i, w), rand(11, 6), ids)
case("embedding/padding", lambda w, i: F.embedding(i, w, padding_idx=2), rand(11, 6), ids.clone().fill_(2))
picked = torch.tensor([2, 0, 2, 1, 2])
case("index_select/first", lambda x, i: torch.index_select(x, 0, i), rand(3, 4, 2), picked)
case("index_select/middle", lambda x, i: torch.index_select(x, 1, i), rand(2, 3, 5), picked)
