"""Tracing, checking through onnxruntime, and the files; what does not agree with PyTorch is not kept."""

import importlib.util
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from emospeech.outputs.hub.onnx import graphs
from emospeech.outputs.hub.onnx.graphs import Graph
from emospeech.runtime.errors import UserError, WorkError
from emospeech.runtime.files import as_json, content_hash
from emospeech.systems.base import System
from emospeech.systems.neural import NeuralSystem

FOLDER, TOLD = "onnx", "onnx.json"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # of a logit
EXTERNAL = 1_500_000_000  # bytes of weights from which on they have a file of their own: protobuf ends at 2 GiB


@dataclass(frozen=True)
class Kept:
    """A graph's file, or why there is none."""

    name: str
    difference: float | None  # the greatest of a logit to PyTorch's; None: it could not be made
    why_not: str = ""
    told: Mapping[str, Any] | None = None  # of its inputs and outputs


def require(system: System | None = None) -> None:
    """
    Raises:
        UserError: if packages are missing, or the system is no network.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--onnx needs {', '.join(missing)}: pip install 'emospeech[onnx]'")
    if system is not None and not isinstance(system, NeuralSystem):
        raise UserError("--onnx is for networks; this run is a classical system, which has no such graph")


def write(folder: Path, system: System) -> list[Kept]:
    """Fill `folder`/onnx with what agrees with the network.

    Raises:
        WorkError: if not even the trained part does.
    """
    assert isinstance(system, NeuralSystem)
    system.ready().cpu().eval()
    into = folder / FOLDER
    into.mkdir()
    kept = [_attempt(into, graph(system), system.tasks) for graph in (graphs.head, graphs.whole)]
    if kept[0].told is None:
        raise WorkError(f"--onnx: {kept[0].why_not}")
    (into / TOLD).write_text(as_json(_summary(kept, system)), encoding="utf-8")
    (into / "README.md").write_text("\n".join(_page(kept)) + "\n", encoding="utf-8")
    return kept


def _attempt(into: Path, graph: Graph, tasks: Mapping[str, Sequence[str]]) -> Kept:
    path = into / f"{graph.name}.onnx"
    try:
        _traced(graph, path, [f"logits_{task}" for task in tasks])
        found = difference(path, graph)
        told = _interface(path, graph, tasks)
    except Exception as error:  # of torch.export, of the converter, of onnxruntime
        _remove(into, graph.name)
        reason = (str(error).strip().splitlines() or [""])[0]
        return Kept(path.name, None, f"{path.name} could not be made: {type(error).__name__}: {reason[:300]}")
    if not found <= TOLERANCE:  # no number is no agreement
        _remove(into, graph.name)
        return Kept(path.name, found, f"{path.name} differs from PyTorch by {found:.2e} > {TOLERANCE:g} in a logit")
    return Kept(path.name, found, told={**told, "greatest_difference": found})


def _remove(into: Path, name: str) -> None:
    for path in into.glob(f"{name}.onnx*"):
        path.unlink()


def _traced(graph: Graph, path: Path, outputs: Sequence[str]) -> None:
    import onnx

    example = dict(graph.cases[0])
    shapes = {name: dict.fromkeys(axes, torch.export.Dim.AUTO) for name, axes in graph.axes.items()}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.module,
            (),
            kwargs=example,
            dynamo=True,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    anonymous(proto)
    size = sum(len(one.raw_data) for one in proto.graph.initializer)
    external = {"save_as_external_data": True, "location": f"{path.name}.data"} if size > EXTERNAL else {}
    onnx.save_model(proto, path, **external)


def anonymous(message: Any) -> None:
    """Take from a graph, and all graphs in it, where in the code of this machine each node came from."""
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if not hasattr(value, "DESCRIPTOR") else [value]:
                anonymous(one)


def difference(path: Path, graph: Graph) -> float:
    """The greatest of any logit, to what the system itself gives, over all cases."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    greatest = 0.0
    for case in graph.cases:
        with torch.no_grad():
            wanted = graph.reference(case)
        got = session.run(None, {name: value.numpy() for name, value in case.items()})
        for one, other in zip(got, wanted, strict=True):
            if one.shape != tuple(other.shape):
                return float("inf")
            gap = (torch.from_numpy(one) - other).abs().max().item()
            greatest = gap if gap != gap else max(greatest, gap)  # a NaN stays
            if gap != gap:
                return gap
    return greatest


def _interface(path: Path, graph: Graph, tasks: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Names, types and shapes; axes of any length by their names."""
    import onnx

    proto = onnx.load(path, load_external_data=False)
    types = onnx.TensorProto.DataType
    inputs = [
        {
            "name": one.name,
            "type": types.Name(one.type.tensor_type.elem_type).lower(),
            "shape": [
                graph.axes[one.name].get(k, dim.dim_value) for k, dim in enumerate(one.type.tensor_type.shape.dim)
            ],
        }
        for one in proto.graph.input
    ]
    outputs = [
        {"name": one.name, "shape": ["batch", len(names)], "task": task, "labels": list(names)}
        for one, (task, names) in zip(proto.graph.output, tasks.items(), strict=True)
    ]
    opset = next(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx"))
    batches = [len(next(iter(case.values()))) for case in graph.cases]
    told = {"opset": opset, "inputs": inputs, "outputs": outputs, "checked_on_batches_of": batches}
    return {**told, "sha256": content_hash(path)}


def _summary(kept: Sequence[Kept], system: NeuralSystem) -> dict[str, Any]:
    network: Any = system.ready()
    speech, text = network.speech, system.tokenizer
    return {
        "files": {one.name: one.told for one in kept if one.told is not None},
        "left_out": {one.name: one.why_not for one in kept if one.told is None},
        "tolerance": TOLERANCE,
        "sampling_rate": None if speech is None else 16_000,
        "longest_checked_seconds": None if speech is None else max(max(one) for one in graphs.SECONDS),
        "longest_text_tokens": None if text is None else text.max_tokens,
    }


def _page(kept: Sequence[Kept]) -> list[str]:
    lines = ["# ONNX graphs", "", f"`{TOLD}` tells names, types, shapes, opset and the order of labels."]
    for one in kept:
        if one.told is None:
            lines += ["", f"`{one.name}` is not here: {one.why_not}."]
            continue
        lines += ["", f"`{one.name}`, opset {one.told['opset']}; greatest difference of a logit to PyTorch's:"]
        lines += [f"{one.difference:.1e}, on batches of {one.told['checked_on_batches_of']} clips.", ""]
        for each in one.told["inputs"]:
            lines.append(f"- in `{each['name']}`: {each['type']} {each['shape']}")
        for each in one.told["outputs"]:
            lines.append(f"- out `{each['name']}`: float {each['shape']}, logits of {', '.join(each['labels'])}")
    return lines
