"""Small nets on vectors: full batch, Adam, stopped early by an inner part of the training rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emospeech.data import splits
from emospeech.systems.classical.contract import Training, dense, softmax

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
TOLERANCE = 1e-4  # of the loss, by which an epoch must be better than the best


@dataclass(frozen=True)
class Shape:
    """Of each layer: Linear, batch norm if asked for, activation, dropout; then a Linear to the classes."""

    widths: Sequence[int]
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0

    def build(self, ins: int, classes: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width in self.widths:
            layers.append(nn.Linear(ins, width))
            if self.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers += [ACTIVATIONS[self.activation](), nn.Dropout(self.dropout)]
            ins = width
        return nn.Sequential(*layers, nn.Linear(ins, classes))


@dataclass(frozen=True)
class Plan:
    """How long and how fast."""

    lr: float
    epochs: int  # at most; one is one step, on all rows
    patience: int  # epochs without a lower loss on the inner part
    fraction: float  # of the rows that are the inner part
    refit: bool  # afresh on all rows, for as many epochs as were best
    weighted: bool  # each class counts the same as a whole


class Net:
    """A fitted net; its weights are kept as arrays."""

    def __init__(self, shape: Shape, ins: int, classes: int, weights: Mapping[str, np.ndarray], epochs: int) -> None:
        self.shape, self.ins, self.classes, self.epochs = shape, ins, classes, epochs
        self.weights = dict(weights)

    def chances(self, features: Any) -> np.ndarray:
        """See `Fitted.chances`."""
        return softmax(self.scores(features))

    def scores(self, features: Any) -> np.ndarray:
        """See `Fitted.scores`."""
        with torch.random.fork_rng(devices=[]):  # the first weights, which are replaced, are drawn
            net = self.shape.build(self.ins, self.classes)
        net.load_state_dict({key: torch.from_numpy(value) for key, value in self.weights.items()})
        with torch.inference_mode():
            logits = net.eval()(_tensor(features))
        found: np.ndarray = logits.double().numpy()
        return found


def fit(rows: Training, shape: Shape, plan: Plan) -> Net:
    """Deterministic under `rows.seed`, and without a trace in torch's own random state."""
    features, classes = _tensor(rows.features), torch.as_tensor(rows.classes, dtype=torch.long)
    inner = inner_part(rows, plan.fraction)
    with torch.random.fork_rng(devices=[]):
        net, epochs = _trained(features, classes, rows, shape, plan, inner)
        if plan.refit and inner.any():
            net, _ = _trained(features, classes, rows, shape, plan, np.zeros(len(inner), dtype=bool), epochs)
    weights = {key: value.numpy().copy() for key, value in net.state_dict().items()}
    return Net(shape, features.shape[1], rows.count, weights, epochs)


def inner_part(rows: Training, fraction: float) -> np.ndarray:
    """Which rows say when to stop, bool (rows,): disjoint by group where there are several, else stratified."""
    labels = rows.classes.astype(str).tolist()
    if rows.groups is None or len(set(rows.groups)) < 2:
        return splits.stratified(labels, fraction, rows.seed)
    return splits.stratified_by_group(labels, rows.groups, fraction, rows.seed)


def _trained(
    features: Tensor,
    classes: Tensor,
    rows: Training,
    shape: Shape,
    plan: Plan,
    inner: np.ndarray,
    epochs: int | None = None,
) -> tuple[nn.Module, int]:
    """A net and its epochs: those given, or those after which the inner part's loss was lowest."""
    torch.manual_seed(rows.seed)
    net = shape.build(features.shape[1], rows.count)
    optimizer = torch.optim.Adam(net.parameters(), lr=plan.lr)
    learned, held = torch.from_numpy(~inner), torch.from_numpy(inner)
    weights = _class_weights(classes[learned], rows.count) if plan.weighted else None
    best, chosen, kept = float("inf"), 0, dict(net.state_dict())
    for epoch in range(1, (epochs or plan.epochs) + 1):
        net.train()
        optimizer.zero_grad()
        F.cross_entropy(net(features[learned]), classes[learned], weights).backward()
        optimizer.step()
        if epochs is not None or not inner.any():
            continue
        with torch.no_grad():
            loss = float(F.cross_entropy(net.eval()(features[held]), classes[held], weights))
        if loss < best - TOLERANCE:
            best, chosen = loss, epoch
            kept = {key: value.clone() for key, value in net.state_dict().items()}
        elif epoch - chosen >= plan.patience:
            break
    if chosen:
        net.load_state_dict(kept)
    return net, chosen or (epochs or plan.epochs)


def _class_weights(classes: Tensor, count: int) -> Tensor:
    """N / (classes x count), 0 for a class without rows."""
    counts = torch.bincount(classes, minlength=count).float()
    return torch.where(counts > 0, len(classes) / (count * counts.clamp(min=1)), torch.zeros(()))


def _tensor(features: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(dense(features), dtype=np.float32))
