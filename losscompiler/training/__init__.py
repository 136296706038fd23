"""Training: a loss as a Keras layer, and a model that trains a net and its loss together.

Importing this package registers `LossLayer` and `LossModel` with Keras, so that saved ones load under ``safe_mode=True``.
"""

from losscompiler.training.backup import TrainingBackup
from losscompiler.training.exporting import export_with_loss
from losscompiler.training.layer import LossLayer
from losscompiler.training.model import LossModel
from losscompiler.training.saving import load_model
from losscompiler.training.split_optimizer import SplitOptimizer

__all__ = ["LossLayer", "LossModel", "SplitOptimizer", "TrainingBackup", "export_with_loss", "load_model"]
