"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

sdpa = F.scaled_dot_product_attention
case("attention/plain", sdpa, rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 6))
case("attention/one", sdpa, rand(1, 1, 1, 4), rand(1, 1, 1, 4), rand(1, 1, 1, 4))
case("attention/causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), rand(2, 2, 9, 4), rand(2, 2, 9, 4), rand(2, 2, 9, 4))
case("attention/scale", lambda q, k, v: sdpa(q, k, v, scale=0.3), rand(1, 2, 6, 4), rand(1, 2, 6, 4), rand(1, 2, 6, 4))
visible = torch.rand(2, 1, 5, 7) > 0.4
visible[..., 0] = True
case(
    "attention/visible",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m.bool()),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), visible.to(torch.uint8),
)
case(
    "attention/added",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), rand(5, 7), fixed=(3,),
)
case(
    "attention/learned",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), rand(3, 5, 7),
)


def packed(qkv, heads):
    b, n, w = qkv.shape
    q, k, v = qkv.reshape(b, n, 3, heads, w // (3 * heads)).permute(2, 0, 3, 1, 4)
    return sdpa(q, k, v).transpose(1, 2).reshape(b, n, w // 3)


case("self_attention/plain", lambda x: packed(x, 3), rand(2, 5, 3 * 3 * 4))
case("self_attention/long", lambda x: packed(x, 2), rand(1, 40, 3 * 2 * 4))
