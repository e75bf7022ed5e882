"""Attention pooling in few passes, against the formula written out."""

import pytest
import torch

from emospeech.models.attended import attended

MASK = torch.tensor([[1, 1, 0, 1, 1, 0], [0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()
LENGTHS = (4, 2)


def written_out(query, parts, mask):
    x = torch.cat(list(parts), dim=1).masked_fill(~mask[..., None], 0.0)
    weights = torch.softmax((x @ query).masked_fill(~mask, float("-inf")), dim=1)
    return (weights[..., None] * x).sum(dim=1)


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(3, length, 5, generator=generator, dtype=dtype, requires_grad=True) for length in LENGTHS]
    return torch.randn(5, generator=generator, dtype=dtype, requires_grad=True), parts


def test_by_hand():
    # scores 0 and log 3, so weights 1/4 and 3/4
    x = torch.tensor([[[0.0, 4.0], [1.0, 8.0]]])
    pooled = attended(torch.tensor([3.0, 0.0]).log().nan_to_num(neginf=0.0), [x], torch.ones(1, 2, dtype=torch.bool))
    assert pooled.tolist()[0] == pytest.approx([0.75, 7.0])


def test_gradients():
    query, parts = inputs()
    assert torch.autograd.gradcheck(lambda query, *parts: attended(query, parts, MASK), (query, *parts))
    parts[0].requires_grad_(False)
    attended(query, parts, MASK).sum().backward()
    assert parts[0].grad is None
    assert query.grad is not None


@pytest.mark.parametrize("spoiled", [0.0, 1e30, float("nan"), float("inf")])
@pytest.mark.parametrize("compiling", [False, True])
def test_nothing_masked_is_looked_at(spoiled, compiling, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    found = []
    for function, value in ((written_out, 0.0), (attended, spoiled)):
        query, parts = inputs()
        masks = MASK.split(LENGTHS, dim=1)
        with torch.no_grad():
            for x, mask in zip(parts, masks, strict=True):
                x[~mask] = value
        pooled = function(query, parts, MASK)
        pooled.square().sum().backward()
        found.append([pooled.detach(), query.grad, *(x.grad for x in parts)])
    torch.testing.assert_close(found[1], found[0])


def test_under_autocast():
    query, parts = inputs(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = attended(query, parts, MASK)
    pooled.sum().backward()
    torch.testing.assert_close(pooled.float(), written_out(query, parts, MASK), rtol=0.05, atol=0.05)
    assert torch.isfinite(query.grad).all()


def test_compiled():
    query, parts = inputs()
    compiled = torch.compile(attended, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(query, parts, MASK), attended(query, parts, MASK))
