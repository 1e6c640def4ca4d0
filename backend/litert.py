# SPDX-License-Identifier: MIT
"""Runs TensorFlow Lite files on the processor, and of each only the part whose answers are used."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from vibe_blender.contract.errors import CaptureError

_IDENTIFIER = b"TFL3"


class Network:
    """A network with one picture as input, ready to run."""

    def __init__(self, model_path: Path, threads: int, outputs: Sequence[tuple[int, ...]]) -> None:
        """Loads the network.

        Args:
            model_path: a ``.tflite`` file.
            threads: processor threads to run on.
            outputs: shapes of the outputs wanted, no two alike; what only leads to others is left out.
        """
        try:
            content = _reduced(model_path.read_bytes(), outputs)
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            indices = {tuple(part["shape"].tolist()): part["index"] for part in self._interpreter.get_output_details()}
            self._outputs = [indices[shape] for shape in outputs]
        except (ValueError, KeyError, IndexError, struct.error, RuntimeError) as error:
            raise CaptureError(
                "model_damaged",
                f"{model_path} is not the network it should be ({error}).",
                "Delete it and run `vibe models fetch`.",
            ) from error
        self._input = self._interpreter.get_input_details()[0]["index"]

    def input(self) -> np.ndarray:
        """(height, width, 3) float32 to write the picture into; let go of it before ``run``."""
        return self._interpreter.tensor(self._input)()[0]

    def run(self) -> list[np.ndarray]:
        """The wanted outputs in their order, without the leading 1; valid until let go of, which the next run wants."""
        self._interpreter.invoke()
        return [self._interpreter.tensor(index)()[0] for index in self._outputs]


def _reduced(content: bytes, outputs: Sequence[tuple[int, ...]]) -> bytes:
    """The model file without the operators that none of the wanted outputs needs."""
    if content[4:8] != _IDENTIFIER:
        raise ValueError("no TensorFlow Lite file")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.outputs = [index for index in graph.outputs if tuple(graph.tensors[index].shape) in outputs]
    makers = {tensor: number for number, operator in enumerate(graph.operators) for tensor in operator.outputs}
    wanted, needed = list(graph.outputs), set[int]()
    while wanted:
        number = makers.get(wanted.pop())
        if number is not None and number not in needed:
            needed.add(number)
            wanted.extend(graph.operators[number].inputs)
    graph.operators = [graph.operators[number] for number in sorted(needed)]
    model.signatureDefs = None  # they would name outputs that are gone
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
