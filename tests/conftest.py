"""Tests of TensorFlow's own means are left out on the other backends of Keras."""

from __future__ import annotations

import os

import pytest

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if BACKEND == "tensorflow":
        return
    for item in items:
        if item.get_closest_marker("tensorflow"):
            item.add_marker(pytest.mark.skip(reason="uses what TensorFlow alone has"))
