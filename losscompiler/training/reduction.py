"""From the elements of a loss to the number that is minimised, as Keras does it for its own losses."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.program import Program
from losscompiler.training.keras_internals import mask_of
from losscompiler.training.replicas import of_whole_batch


class MeanOverSamples(keras.losses.Loss):
    """The mean of given values over samples.

    A `keras.losses.Loss`, since its ``__call__`` weighs samples, applies masks, casts and scales for the distribution
    strategy; the values themselves are computed before and come as ``y_pred``.
    """

    def __init__(self, sample_rank: int) -> None:
        super().__init__(name="loss")
        self.sample_rank = sample_rank

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample (or time step): the mean over whatever axes come behind."""
        del y_true
        rank = len(y_pred.shape)
        if rank == 0:
            # Keras would neither average nor scale a scalar: two replicas would count it twice.
            return ops.reshape(y_pred, (1,))
        return ops.mean(y_pred, axis=tuple(range(self.sample_rank, rank))) if rank > self.sample_rank else y_pred


def spread(weight: Any, mask: Any) -> Any:
    """Return weights of samples as weights of the entries of a mask, which Keras would multiply by it as they are.

    That fails where the mask has more axes, and on PyTorch where it is larger.
    """
    rank = 0 if mask is None else len(mask.shape)
    if weight is None or len(weight.shape) > rank:
        return weight
    for _ in range(rank - len(weight.shape)):
        weight = ops.expand_dims(weight, -1)
    return weight * ops.ones_like(mask, dtype=weight.dtype)


class Reduction:
    """The mean of one loss over samples, with weights and masks.

    As in Keras, the last axis of the predictions is averaged first, so that weights belong to samples (or to time steps);
    a weight a sample counts for all of its time steps.

    Args:
        loss: the loss.
        program: its program, for the axes that it reduces.
    """

    def __init__(self, loss: LossGraph, program: Program) -> None:
        self._dropped = program.dropped
        fixed = {*loss.parameters, *loss.constants}
        self._depends_on_data = any(leaf not in fixed for leaf, _ in loss.loss.axes)

    def __call__(self, values: Any, predictions: list[Any], sample_weight: Any = None, added: Any = None) -> Any:
        """Return the scalar that is minimised.

        Args:
            values: the loss before any mean; carries the predictions' mask, if they have one.
            predictions: the loss's predictions, for their rank.
            sample_weight: weights of samples. Given one array a target, their mean counts.
            added: what layers and regularizers add to the mean, if they do.

        Raises:
            ArgumentError: if weights or masks are given, but the loss has no value for each sample (or time step).
        """
        rank = max(len(prediction.shape) for prediction in predictions)
        sample_rank = max(1, rank - 1)
        mask = mask_of(values)
        weight = self.joint(sample_weight)
        reduced = self._reduced(rank)
        if weight is not None and 0 in reduced:
            raise ArgumentError(
                "sample weights and class weights need a loss for each sample, but this loss reduces over the batch. "
                "Declare the weights as an input of the loss and use them in the formula."
            )
        batch = predictions[0].shape[0]
        if weight is not None and len(values.shape) and values.shape[0] != batch:
            raise ArgumentError(
                "sample weights and class weights need a loss for each sample, but the values of this loss are not one a sample "
                f"(they have shape {tuple(values.shape)}). Declare the weights as an input of the loss and use them in the formula."
            )
        if mask is not None and reduced & set(range(len(mask.shape))):
            raise ArgumentError(
                "the net's output carries a mask, but the loss reduces over an axis that the mask covers. "
                "Restrict the reduction in the formula, with the mask as an input: sum(..., where=mask)."
            )
        if not self._depends_on_data:
            values = ops.mean(values)
        if weight is not None:
            for _ in range(max(1, min(sample_rank, len(values.shape))) - len(weight.shape)):
                weight = ops.expand_dims(weight, -1)
            if mask is not None and len(weight.shape) == len(mask.shape):
                weight = spread(weight, mask)
        mean = MeanOverSamples(sample_rank)(values, values, weight)
        mask = mask_of(values)
        entries = None if mask is None else ops.sum(ops.cast(mask, mean.dtype))
        return of_whole_batch(mean, ops.shape(predictions[0])[0], entries, added)

    def _reduced(self, rank: int) -> set[int]:
        """Return the axes of the predictions that the loss reduces, counted from the front."""
        if self._dropped == "all":
            return set(range(rank))
        axes = self._dropped if isinstance(self._dropped, tuple) else (self._dropped,)
        return {axis % rank for axis in axes if isinstance(axis, int) and -rank <= axis < rank}

    @staticmethod
    def joint(sample_weight: Any) -> Any:
        """Return the one weight of each sample; given one array a target, their mean."""
        weights = [weight for weight in tree.flatten(sample_weight) if weight is not None]
        if not weights:
            return None
        # Keras repeats one array for every target; the mean of copies is the array again.
        joint = ops.convert_to_tensor(weights[0])
        for weight in weights[1:]:
            joint = joint + weight
        return joint / len(weights) if len(weights) > 1 else joint
