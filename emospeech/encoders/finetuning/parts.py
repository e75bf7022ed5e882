"""Where the transformer blocks of a model are."""

from typing import Any

from torch import nn


def blocks_of(model: Any) -> list[nn.Module]:
    """The transformer blocks of a model of transformers, lowest first; none where they are not found.

    They are the outermost list of modules that has as many as the config says there are layers.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", 0)
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList)) if model is not None else ()
    return next((list(found) for found in lists if len(found) == count > 0), [])
