"""Training: a loss as a Keras layer, and a model that trains a net and its loss together.

Importing this package registers `LossLayer` and `LossModel` with Keras, so that saved ones load under ``safe_mode=True``.
"""

from losscompiler.training.layer import LossLayer
from losscompiler.training.model import LossModel
from losscompiler.training.saving import load_model

__all__ = ["LossLayer", "LossModel", "load_model"]
