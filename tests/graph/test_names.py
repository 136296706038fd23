"""What every name of a loss means."""

from __future__ import annotations

import pytest

from losscompiler.errors import ArgumentError, FormulaNameError, ParameterError
from losscompiler.graph.build import Interface, build
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.parameter import Parameter
from losscompiler.syntax import parse


def graph(text: str, **interface: object) -> LossGraph:
    return build(parse(text), Interface(**interface))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "targets", "predictions", "inputs", "parameters"),
    [
        ("(y - p)**2", ("y",), ("p",), (), []),
        ("(y_true - y_pred)**2", ("y_true",), ("y_pred",), (), []),
        ("p**2", (), ("p",), (), []),
        ("a*p", (), ("p",), (), ["a"]),
        ("target t\n(t - p)**2", ("t",), ("p",), (), []),
        ("target t\n(t - p)**2 + y", ("t",), ("p",), (), ["y"]),
        ("prediction q\n(y - q)**2*p", ("y",), ("q",), (), ["p"]),
        ("prediction m, s\n(y - m)/s", ("y",), ("m", "s"), (), []),
        ("input w\nw*(y - p)", ("y",), ("p",), ("w",), []),
        ("target t\np", ("t",), ("p",), (), []),
        ("param p\nprediction q\np*q", (), ("q",), (), ["p"]),
        ("param w[p] = 1\nsum(w)", (), ("p",), (), ["w"]),
        ("lambda*(y - p)", ("y",), ("p",), (), ["lambda"]),
        ("gamma*lgamma(p)", (), ("p",), (), ["gamma"]),
        ("ﬁ*p + fi", (), ("p",), (), ["fi"]),
        ("pi*p", (), ("p",), (), []),
    ],
)
def test_roles(text: str, targets: tuple[str, ...], predictions: tuple[str, ...], inputs: tuple[str, ...], parameters: list[str]) -> None:
    loss = graph(text)
    assert (loss.targets, loss.predictions, loss.inputs, list(loss.parameters)) == (targets, predictions, inputs, parameters)


def test_what_the_caller_declares_counts_as_what_the_text_declares() -> None:
    loss = graph("(t - q)**2*w + y", targets=("t",), predictions=("q",), inputs=("w",))
    assert (loss.targets, loss.predictions, loss.inputs, list(loss.parameters)) == (("t",), ("q",), ("w",), ["y"])


def test_undeclared_names_are_parameters_until_one_is_declared() -> None:
    loss = graph("a*p + b")
    assert loss.implicit == ("a", "b")
    assert loss.parameters["a"].init == 1
    for text, interface in (("param a\na*p + b", {}), ("a*p + b", {"parameters": {"a": Parameter(1.0)}}), ("b*p", {"parameters": {}})):
        with pytest.raises(FormulaNameError) as caught:
            graph(text, **interface)
        assert caught.value.code == "unknown-name"


def test_what_the_caller_gives_wins_over_the_text() -> None:
    loss = graph("param a > 0 = 1\na*p", parameters={"a": Parameter(3.0)})
    assert loss.parameters["a"] == Parameter(3.0)


@pytest.mark.parametrize(
    ("declaration", "init", "bounds", "closed"),
    [
        ("a", 1, (None, None), (True, True)),
        ("a = -2", -2, (None, None), (True, True)),
        ("a > 0", 1, (0, None), (False, False)),
        ("a > 3", 4, (3, None), (False, False)),
        ("a >= 3", 4, (3, None), (True, False)),
        ("a < 0", -1, (None, 0), (False, False)),
        ("a <= 5", 1, (None, 5), (False, True)),
        ("a in (0, 1)", 0.5, (0, 1), (False, False)),
        ("a in [0, 1] = 0", 0, (0, 1), (True, True)),
        ("a in (-inf, inf)", 1, (None, None), (False, False)),
        ("a in (-pi/2, sqrt(2)) = exp(-1)", 0.36787944117144233, (-1.5707963267948966, 1.4142135623730951), (False, False)),
    ],
)
def test_declarations(declaration: str, init: float, bounds: tuple[float | None, ...], closed: tuple[bool, bool]) -> None:
    parameter = graph(f"param {declaration}\na*p").parameters["a"]
    assert (parameter.init, parameter.bounds, parameter.closed) == (init, bounds, closed)


def test_arrays() -> None:
    loss = graph("param w[3] = [1, 2, 3]\nparam v[p] > 0\nparam W[2, 2] = [[1, 0], [0, 1]]\nsum(w) + v*p @ W")
    assert [parameter.shape for parameter in loss.parameters.values()] == [(3,), ("p",), (2, 2)]
    assert loss.parameters["W"].init == ((1, 0), (0, 1))
    with pytest.raises(ParameterError):
        graph("param W[2, 2] = [[1, 2, 3], [4]]\np @ W")


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("e*p", "e", "exp(1)"),
        ("π*p", "π", "pi"),
        ("log*p", "log", "log(...)"),
        ("(y - р)**2", "р", "CYRILLIC SMALL LETTER ER"),
        ("a*p + а", "а", "looks like 'a'"),
        ("nan*p", "nan", "where"),
    ],
)
def test_names_that_look_like_something_else_are_pointed_out(text: str, name: str, says: str) -> None:
    (hazard,) = [hazard for hazard in graph(text).hazards if hazard.name == name]
    assert says in hazard.message + hazard.hint
    assert text[hazard.span.start : hazard.span.end] == name


@pytest.mark.parametrize("text", ["a*p", "(y - p)**2 + lambda", "log_scale*p"])
def test_other_names_are_not(text: str) -> None:
    assert graph(text).hazards == ()


def test_unused_definitions_are_listed() -> None:
    assert graph("r = y - p\ns = r**2\nr").unused_definitions == ("s",)


@pytest.mark.parametrize(
    "interface",
    [
        {"targets": ("p",), "predictions": ("p",)},
        {"targets": ("1y",)},
        {"predictions": ("p",), "parameters": {"p": Parameter(1.0)}},
        {"parameters": {"a": Parameter(1.0)}, "constants": {"a": 1}},
        {"targets": ("__y",)},
    ],
)
def test_an_interface_that_contradicts_itself(interface: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        graph("p", **interface)


def test_constants_are_numbers_not_parameters() -> None:
    loss = graph("k*p", constants={"k": 2.5})
    assert loss.parameters == {}
    assert repr(loss.loss.args[0]) == "5/2"


def test_equal_subexpressions_are_one_node() -> None:
    loss = graph("(y - p)**2 + abs(y - p)")
    assert sum(node.op == "sub" for node in loss.graph._nodes) == 1


@pytest.mark.parametrize(("text", "pointed_out"), [("param y\n(y - p)**2", True), ("target t\nparam y\n(t - y*p)**2", False)])
def test_a_parameter_with_the_default_name_of_data_is_pointed_out(text: str, pointed_out: bool) -> None:
    hazards = [hazard for hazard in build(parse(text)).hazards if hazard.name == "y"]
    assert bool(hazards) is pointed_out
