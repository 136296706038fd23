"""Assertions for the tests of those who write losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from losscompiler.compiler import CompiledLoss, compile_loss
from losscompiler.verify.gradient_check import GradientCheck


def assert_gradients_match(
    loss: Any, params: Mapping[str, Any] | None = None, data: Mapping[str, Any] | None = None, **options: Any
) -> GradientCheck:
    """Assert that every analytic derivative of a loss is right.

    Args:
        loss: a `CompiledLoss`; or a formula, which is compiled with ``params``.
        params: of a formula the parameters, as in `compile_loss`; of a `CompiledLoss` the values to check at.
        data: arrays by name to check at; without them points are drawn wherever the loss is real and finite.
        options: ``samples``, ``seed``, ``tolerance`` and ``dtype``, as in `losscompiler.verify.check_gradients`.

    Returns:
        What was found, for tests that want to say more.

    Raises:
        GradientMismatchError: an `AssertionError` with a table of all derivatives and the worst points.
        FormulaError, ArgumentError: if the formula or an argument is wrong.
    """
    __tracebackhide__ = True
    if isinstance(loss, CompiledLoss):
        check = loss.check_gradients(data, params, **options)
    else:
        check = compile_loss(loss, params, findings="ignore").check_gradients(data, **options)
    check.assert_ok()
    return check
