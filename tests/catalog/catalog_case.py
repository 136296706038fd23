"""What a catalogue entry is compared with: a library's loss at random data, and its gradients.

Keras' and PyTorch's gradients come from their own automatic differentiation. What a library does not differentiate (SciPy,
scikit-learn, formulas by hand, arguments that must be numbers) is differentiated by the five-point central difference.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One comparison; ``reference`` takes every array by name, as the library's tensors, and returns a scalar."""

    key: str
    against: str
    reference: Callable[..., Any]
    arrays: dict[str, Any]
    reduction: str = "mean"
    number: int = 0
    single: float = 1e-3
    digits: float = 1e-9

    @property
    def library(self) -> str:
        return self.against.split(".")[0].split(" ")[0]

    @property
    def id(self) -> str:
        return f"{self.key}-{self.against}" + (f"-{self.number}" if self.number else "")

    def data(self) -> dict[str, np.ndarray]:
        """Return the arrays; the same on every call."""
        rng = np.random.default_rng(zlib.crc32(self.key.encode()) + self.number)
        return {name: np.asarray(made(rng) if callable(made) else made, "float64") for name, made in self.arrays.items()}


@dataclass
class Reference:
    """Value and gradients of the library."""

    value: float
    gradients: dict[str, np.ndarray]
    by_differences: set[str] = field(default_factory=set)


CASES: list[Case] = []


def add(
    key: str,
    against: str,
    reference: Callable[..., Any],
    /,
    *,
    reduction: str = "mean",
    single: float = 1e-3,
    digits: float = 1e-9,
    **arrays: Any,
) -> None:
    """Register a comparison; arrays are drawn, or given as they are.

    ``single`` is how far float32 may be from float64, in parts of the largest gradient; ``digits`` how far the value may be
    from the library's, where the library itself is no nearer.
    """
    number = sum(case.key == key and case.against == against for case in CASES)
    CASES.append(Case(key, against, reference, arrays, reduction, number, single, digits))


def paper(key: str, reference: Callable[..., Any], /, **arrays: Any) -> None:
    """Register a comparison with a paper's formula written by hand with NumPy."""
    add(key, "numpy", reference, **arrays)


def missing(case: Case) -> str:
    """Say what a comparison lacks; empty if it can be made."""
    if case.library == "torch" and importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    return ""


def rounds(case: Case) -> bool:
    """Tell whether the library computes in float32 whatever the dtype, as ``keras.ops`` does on JAX and PyTorch."""
    return case.library == "keras" and keras.backend.backend() != "tensorflow"


def evaluate(case: Case, names: list[str]) -> Reference:
    """Return the library's value, and its gradients by the named arrays."""
    arrays = case.data()
    if case.library == "keras" and keras.backend.backend() != "torch":
        differentiate = _jax if keras.backend.backend() == "jax" else _tensorflow
        value, gradients = differentiate(case, arrays, names)
    elif case.library in ("keras", "torch"):
        value, gradients = _torch(case, arrays, names)
    else:
        value, gradients = float(case.reference(**arrays)), {}
    found = Reference(value, gradients)
    for name in names:
        if name not in gradients:
            found.gradients[name] = _differences(case, arrays, name)
            found.by_differences.add(name)
    return found


def _tensorflow(case: Case, arrays: dict[str, np.ndarray], names: list[str]) -> tuple[float, dict[str, np.ndarray]]:
    import tensorflow as tf

    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    with tf.GradientTape() as tape:
        tape.watch([tensors[name] for name in names])
        value = case.reference(**tensors)
    found = tape.gradient(value, {name: tensors[name] for name in names})
    return float(value), {name: tf.convert_to_tensor(g).numpy() for name, g in found.items() if g is not None}


def _jax(case: Case, arrays: dict[str, np.ndarray], names: list[str]) -> tuple[float, dict[str, np.ndarray]]:
    import jax

    with jax.enable_x64(True):
        tensors = {name: jax.numpy.asarray(array) for name, array in arrays.items()}
        fixed = {name: tensors.pop(name) for name in arrays if name not in names}
        value, found = jax.value_and_grad(lambda free: case.reference(**fixed, **free))(tensors)
        return float(value), {name: np.asarray(gradient) for name, gradient in found.items()}


def _torch(case: Case, arrays: dict[str, np.ndarray], names: list[str]) -> tuple[float, dict[str, np.ndarray]]:
    import torch

    tensors = {name: torch.tensor(array, requires_grad=name in names) for name, array in arrays.items()}
    value = case.reference(**tensors)
    if value.requires_grad:
        value.backward()
    return float(value.detach()), {name: tensors[name].grad.numpy() for name in names if tensors[name].grad is not None}


def _plain(case: Case, arrays: dict[str, np.ndarray]) -> float:
    if case.library == "torch":
        import torch

        return float(case.reference(**{name: torch.tensor(array) for name, array in arrays.items()}))
    if case.library == "keras":
        return float(case.reference(**{name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}))
    return float(case.reference(**arrays))


def _differences(case: Case, arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return the gradient by (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h."""
    result = np.zeros(arrays[name].shape)
    for place in np.ndindex(arrays[name].shape):
        step = 1e-3 * max(0.1, abs(arrays[name][place]))

        def at(shift: float, place: tuple[int, ...] = place, step: float = step) -> float:
            moved = arrays[name].copy()
            moved[place] += shift * step
            return _plain(case, {**arrays, name: moved})

        result[place] = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * step)
    return result


# ------------------------------------------------------------------------------------------------------------- data
def real(*shape: int, scale: float = 1.0) -> Draw:
    return lambda rng: scale * rng.normal(size=shape)


def positive(*shape: int) -> Draw:
    return lambda rng: rng.uniform(0.2, 3.0, size=shape)


def share(*shape: int) -> Draw:
    return lambda rng: rng.uniform(0.05, 0.95, size=shape)


def bits(*shape: int) -> Draw:
    """Both 0 and 1 occur along the second-to-last axis and along the last one."""
    return lambda rng: (np.indices(shape).sum(axis=0) % 3 == 0) * 1.0


def signs(*shape: int) -> Draw:
    return lambda rng: 2 * bits(*shape)(rng) - 1


def labels(count: int, classes: int) -> Draw:
    """Every class about equally often."""
    return lambda rng: rng.permutation(np.arange(count) % classes)


def one_hot(count: int, classes: int) -> Draw:
    return lambda rng: np.eye(classes)[labels(count, classes)(rng)]


def probabilities(*shape: int) -> Draw:
    return lambda rng: rng.dirichlet(np.ones(shape[-1]) * 2, size=shape[:-1])


def log_probabilities(*shape: int) -> Draw:
    return lambda rng: np.log(probabilities(*shape)(rng))


def counts(*shape: int, rate: float = 2.0) -> Draw:
    return lambda rng: np.maximum(rng.poisson(rate, size=shape), np.arange(np.prod(shape)).reshape(shape) % 2)


def unit_rows(*shape: int) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.normal(size=shape)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    return draw


def cosines(*shape: int) -> Draw:
    return lambda rng: rng.uniform(-0.8, 0.9, size=shape)


def grades(lists: int, items: int) -> Draw:
    """Relevances without ties in a list, as columns."""
    return lambda rng: np.stack([rng.permutation(items) for _ in range(lists)])[..., None] * 1.0


def boxes(count: int) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        corner, size = rng.uniform(0, 1, size=(count, 2)), rng.uniform(1, 2, size=(count, 2))
        return np.concatenate([corner, corner + size], axis=-1)

    return draw
