"""Data for probes: of the shapes that a loss takes, inside the domains that it asks for."""

from __future__ import annotations

import numpy as np
import pytest
from probing import found

from losscompiler.analysis.domains import settle
from losscompiler.analysis.samples import KINDS, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.build import Interface, build
from losscompiler.graph.parameter import Parameter
from losscompiler.syntax import parse


def samples_of(formula: str, **options) -> Samples:
    study = Study.of(build(parse(formula), Interface(**options)))
    return Samples(study, settle(study))


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("(y - p)**2", 1),
        ("sum((y - p)**2)", 4),
        ("logsumexp(p) - p[y]", 4),
        ("-sum(one_hot(y, 7)*log_softmax(p))", 7),
        ("p[5] - p[0]", 6),
        ("param w[3]\nw*(y - p)**2", 3),
        ("param W[8, 4]\nsum(p @ W)", 8),
        ("transpose(p) - p", 1),
        ("sum(y, axis=(0, 1)) + sum(p, axis=2)", 4),
    ],
)
def test_a_fitting_shape_is_found(formula: str, columns: int) -> None:
    samples = samples_of(formula)
    assert samples.shape is not None
    assert samples.shape.columns == columns
    assert len(samples.usual) >= len(KINDS)


def test_no_shape_means_no_samples() -> None:
    samples = samples_of("w = [1, 2, 3]\nw[floor(p) + 10]*a")
    assert samples.shape is None
    assert samples.usual == ()


@pytest.mark.parametrize("kind", KINDS)
def test_data_lie_in_their_domains(kind: str) -> None:
    data = samples_of("log(p) + log(1 - p) + sqrt(y) + acosh(x) - log(3 - x)*w", inputs=("x",)).data(kind, 0)
    assert ((data["p"] > 0) & (data["p"] < 1)).all()
    assert (data["y"] >= 0).all()
    assert ((data["x"] >= 1) & (data["x"] < 3)).all()


def test_positions_are_positions() -> None:
    labels = samples_of("-log_softmax(p)[y]").data("real", 0)["y"]
    assert set(np.unique(labels)) <= {0.0, 1.0, 2.0, 3.0}


def test_values_that_data_are_compared_with_occur() -> None:
    data = samples_of("where(y == 7, p, p**2)").data("real", 0)["y"]
    assert (data == 7).any()
    assert (data != 7).any()


def test_parameters_start_inside_their_bounds() -> None:
    # 0.1 % of the range, as trained parameters do.
    samples = samples_of("(y - a*p)**2", parameters={"a": Parameter(0.0, bounds=(0, 2))})
    assert samples.start("a") == pytest.approx(0.002)
    assert samples.written("a") == 0
    for seed in range(5):
        assert 0 < samples.nearby(seed)["a"] < 2


def test_samples_are_the_same_every_time() -> None:
    one, other = (samples_of("(y - a*p)**2") for _ in range(2))
    assert np.array_equal(one.data("real", 3)["p"], other.data("real", 3)["p"])
    assert np.array_equal(one.nearby(3)["a"], other.nearby(3)["a"])


def test_work_is_bounded() -> None:
    samples = samples_of("(y - a*p)**2")
    assert not samples.spend(10**9)
    assert samples.spend(1)


def test_a_large_loss_is_studied_by_structure() -> None:
    large = " + ".join(f"a*sin(p + {i})" for i in range(200)) + " + log(p) + sqrt(y*p - 1)"
    codes = {finding.code for finding in found(large)}
    assert "domain" in codes
    assert "unbounded-below" not in codes
    (finding,) = [one for one in found(large, "domain") if "sqrt" in one.message]
    assert finding.severity == "note"
