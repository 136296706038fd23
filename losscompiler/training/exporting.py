"""A SavedModel that computes the loss as well."""

from __future__ import annotations

from os import PathLike
from typing import Any

import keras
from keras import tree

from losscompiler.errors import ArgumentError
from losscompiler.training.matching import inputs_beside_y, match_data, split_x
from losscompiler.training.model import LossModel
from losscompiler.training.reduction import MeanOverSamples


def export_with_loss(model: LossModel, path: str | PathLike[str], x: Any, y: Any = None) -> None:
    """Write a TensorFlow SavedModel of a net and its loss, which is served without this package and without Keras.

    ``model.export(path)`` writes the net alone. This writes two endpoints, which are signatures too:

    - ``serve(x)`` returns the predictions;
    - ``loss(x, y)``, or ``loss(x)`` without a target, returns the loss of each sample (of each time step, if predictions
      have time steps), with the parameters as they are now. Sample weights and masks are not applied. Its mean is what
      ``model.evaluate(x, y)`` returns if nothing else, such as a regularizer, adds to it.

    Inputs of the loss that ``fit`` takes from a tuple x are entries of y here, by name.

    Args:
        model: a model that has its weights.
        path: a folder to write.
        x, y: a batch as ``fit`` takes it. Only shapes and types are used; the first axis may have any length.

    Raises:
        ArgumentError: if the model has no weights yet, data of the loss are missing, or the backend is PyTorch, where Keras
            exports one function of a model at most.
    """
    if keras.backend.backend() == "torch":
        raise ArgumentError(
            "a SavedModel of net and loss is written on TensorFlow and on JAX. On PyTorch, export the net alone, by "
            "model.export(path, format='torch'); or load the saved model with KERAS_BACKEND=tensorflow and export it there."
        )
    if not (isinstance(model, LossModel) and model.built and model.loss_layer.built):
        raise ArgumentError("export_with_loss needs a LossModel that has its weights. Call it on some data first: model(x[:1]).")
    graph, output_names = model.loss_layer.stages.graph, model.output_names or ()
    x, y = inputs_beside_y(graph, x, y, model._net_inputs)

    def serve(x: Any) -> Any:
        return model.net(x, training=False)

    def loss(x: Any, y: Any = None) -> Any:
        y_pred = model(x, training=False)
        data = match_data(graph, x, y, y_pred, output_names)
        rank = max(len(data[name].shape) for name in graph.predictions)
        return MeanOverSamples(max(1, rank - 1)).call(None, model.loss_layer(data))

    loss(*(x,) if y is None else (x, y))  # what is wrong with the batch is said here, in this package's words
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, [_specification(split_x(graph, x, model._net_inputs)[0])])
    archive.add_endpoint("loss", loss, [_specification(data) for data in (x, y) if data is not None])
    archive.write_out(str(path), verbose=False)


def _specification(data: Any) -> Any:
    """Return shapes and types of a batch, with an open first axis."""

    def of_one(array: Any) -> Any:
        tensor = keras.ops.convert_to_tensor(array)
        return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=keras.backend.standardize_dtype(tensor.dtype))

    return tree.map_structure(of_one, data)
