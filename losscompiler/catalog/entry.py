"""`Entry`: one published loss."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A published loss as text.

    `losscompiler.compile_loss` takes an entry wherever it takes a text.

    Attributes:
        key: what the catalogue calls it.
        title: what people call it.
        family: the group it belongs to, such as "robust".
        source: where it was published: author, year and title, or a library and its version.
        checked_against: what a test compares its value and gradients with, such as "keras.losses.Huber"; "numpy" stands for
            the paper's formula written by hand.
        formula: the loss in the loss language, with its declarations, bounds and initial values.
        notes: what data it takes, in which shapes, and what to mind when it trains.
        output_activation: the activation of the model's last layer that gives predictions the loss accepts; "linear" takes
            any number.
        unbounded_because: why the loss may have no lower bound; empty where it has one or needs no reason.
    """

    key: str
    title: str
    family: str
    source: str
    checked_against: tuple[str, ...]
    formula: str
    notes: str
    output_activation: str = "linear"
    unbounded_because: str = ""
