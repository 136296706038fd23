"""Every kind of net, with inputs of the loss beside those of the net, trains as Keras trains it with sample weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras_training import WEIGHT, X, Y, with_same_weights

import losscompiler as lc
from losscompiler.errors import ArgumentError

Z = np.random.default_rng(5).normal(size=(len(X), 2)).astype("float32")


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.top = keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.top(self.hidden(x))


class OfTwo(Subclassed):
    def call(self, inputs: Any) -> Any:
        x, z = inputs
        return self.top(self.hidden(keras.ops.concatenate([x, z], axis=-1)))


class OfNames(Subclassed):
    def call(self, inputs: Any) -> Any:
        return self.top(self.hidden(keras.ops.concatenate([inputs["x"], inputs["z"]], axis=-1)))


def functional(nested: bool = False) -> keras.Model:
    x = keras.Input((3,), name="x")
    inner = keras.Model(x, keras.layers.Dense(4, "tanh")(x))
    return keras.Model(x, keras.layers.Dense(1)(inner(x) if nested else inner.layers[-1].output))


def functional_of_two() -> keras.Model:
    x, z = keras.Input((3,), name="x"), keras.Input((2,), name="z")
    return keras.Model([x, z], keras.layers.Dense(1)(keras.layers.Concatenate()([x, z])))


ONE = {"x": X}
TWO = {"x": X, "z": Z}
NETS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "sequential": (lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), ONE),
    "unbuilt": (lambda: keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]), ONE),
    "functional": (functional, ONE),
    "nested": (lambda: functional(nested=True), ONE),
    "subclassed": (Subclassed, ONE),
    "layer": (lambda: keras.layers.Dense(1), ONE),
    "functional of two": (functional_of_two, TWO),
    "subclassed of two": (OfTwo, TWO),
    "subclassed of names": (OfNames, TWO),
}


def forms(kind: str, data: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (what it is, x, y) for every way to hand the loss its input w."""
    named = kind == "subclassed of names"
    alone = data if named else next(iter(data.values())) if len(data) == 1 else tuple(data.values())
    yield "w in y", alone, {"y": Y, "w": WEIGHT}
    if kind != "subclassed of two":  # which takes a tuple
        yield "w in x by name", {**data, "w": WEIGHT}, Y
    if not named:
        yield "w behind x", (*data.values(), WEIGHT), Y
    if kind in ("functional", "subclassed of two"):
        yield "w behind x in a list", [*data.values(), WEIGHT], (Y,)


def cases() -> Iterator[Any]:
    for kind, (make, data) in NETS.items():
        for form, x, y in forms(kind, data):
            yield pytest.param(make, data, x, y, id=f"{kind}, {form}")


def built(make: Callable[[], Any], data: dict[str, Any]) -> Any:
    """Return the net with weights of known values."""
    net = make()
    if make is OfNames:
        net({name: array[:1] for name, array in data.items()})
    elif len(data) == 1:
        net(next(iter(data.values()))[:1])
    else:
        net([array[:1] for array in data.values()])
    return with_same_weights(net)


def compiled(text: str = "w*(y - p)**2", **options: Any) -> lc.CompiledLoss:
    return lc.compile_loss(text, findings="ignore", **{"inputs": ["w"]} | options)


@pytest.mark.parametrize(("make", "data", "x", "y"), list(cases()))
def test_inputs_of_the_loss_count_as_sample_weights(make: Any, data: dict, x: Any, y: Any) -> None:
    reference = built(make, data)
    own = keras.Sequential([reference]) if isinstance(reference, keras.layers.Dense) else reference
    start = [np.array(weight) for weight in reference.get_weights()]
    # Eagerly, since there are many: what is which is decided alike when a step is traced.
    own.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True)
    of_net = data if make is OfNames else X if len(data) == 1 else list(data.values())
    expected = own.fit(of_net, Y, sample_weight=WEIGHT, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]

    net = make()
    model = lc.LossModel(net, compiled())
    model.compile(keras.optimizers.SGD(0.1), metrics=["mae"], run_eagerly=True)
    model.evaluate(x, y, verbose=0)  # builds a net that was not
    net.set_weights(start)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    p = keras.ops.convert_to_numpy(net(of_net))
    assert before["loss"] == pytest.approx(np.mean(WEIGHT[:, None] * (Y - p) ** 2), rel=1e-5)
    assert before["mae"] == pytest.approx(np.mean(abs(Y - p)), rel=1e-5)
    found = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for weight, other in zip(net.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(of_net, verbose=0), own.predict(of_net, verbose=0), rtol=1e-4)


@pytest.mark.parametrize("kind", ["unbuilt", "subclassed", "functional of two"])
def test_a_traced_step_does_the_same(kind: str) -> None:
    make, data = NETS[kind]
    model, eager = (lc.LossModel(built(make, data), compiled()) for _ in range(2))
    model.compile(keras.optimizers.SGD(0.1), metrics=["mae"])
    eager.compile(keras.optimizers.SGD(0.1), metrics=["mae"], run_eagerly=True)
    fresh = lc.LossModel(make(), compiled())
    fresh.compile("sgd")
    for each in (model, eager, fresh):
        each.fit((*data.values(), WEIGHT), Y, batch_size=8, shuffle=False, verbose=0)
    for weight, expected in zip(model.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)
    assert [weight.shape for weight in fresh.get_weights()] == [weight.shape for weight in model.get_weights()]


@pytest.mark.parametrize("kind", ["sequential", "functional", "functional of two"])
def test_predict_takes_what_fit_takes(kind: str) -> None:
    make, data = NETS[kind]
    model = lc.LossModel(make(), compiled())
    alone = X if len(data) == 1 else list(data.values())
    expected = model.predict(alone, verbose=0)
    for x in ((*data.values(), WEIGHT), {**data, "w": WEIGHT}, dict(data)):
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)


def test_batches_of_tuples() -> None:
    tf = pytest.importorskip("tensorflow")
    losses = []
    for source in ("arrays", "tf.data", "generator", "batches"):
        model = lc.LossModel(with_same_weights(functional()), compiled("w*(y - p)**2 + v*p", inputs=["w", "v"]))
        model.compile(keras.optimizers.SGD(0.1))
        x, rows = (X, WEIGHT, Z[:, :1]), [slice(0, 8), slice(8, 16), slice(16, 24)]
        parts = [(tuple(array[i] for array in x), Y[i]) for i in rows]
        if source == "arrays":
            model.fit(x, Y, batch_size=8, shuffle=False, verbose=0)
        elif source == "tf.data":
            model.fit(tf.data.Dataset.from_tensor_slices((x, Y)).batch(8), verbose=0)
        elif source == "generator":
            model.fit((part for part in parts), steps_per_epoch=3, verbose=0)
        else:
            for part in parts:
                model.train_on_batch(*part)
        losses.append(model.evaluate(x, Y, verbose=0))
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-6)
    p = keras.ops.convert_to_numpy(model.net(X))
    assert losses[-1] == pytest.approx(np.mean(WEIGHT[:, None] * (Y - p) ** 2 + Z[:, :1] * p), rel=1e-5)


def test_a_misspelt_input_is_said_before_the_net_sees_it() -> None:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model = lc.LossModel(net, lc.compile_loss("input w\nw*(y - p)**2", findings="ignore"))
    model.compile("sgd")
    x, y = np.ones((4, 3), "float32"), np.ones(4, "float32")
    for run in (model.fit, model.evaluate):
        with pytest.raises(ArgumentError, match=r"input 'w' are missing: x has (x, weight|weight, x)\. Pass"):
            run({"x": x, "weight": y}, y, verbose=0)
    # Once it is put right, the same model trains; Keras on JAX loses all weights when a loop fails.
    assert np.isfinite(model.fit({"x": x, "w": y}, y, verbose=0).history["loss"]).all()
    assert np.isfinite(model.evaluate({"x": x, "w": y}, y, verbose=0))


def test_a_missing_input_says_how_to_pass_it() -> None:
    model = lc.LossModel(functional(), compiled())
    model.compile("sgd")
    with pytest.raises(ArgumentError, match=r"data for the loss's input 'w' are missing.*or a tuple of the net's and the loss's inputs"):
        model.fit(X, Y, verbose=0)


# ------------------------------------------------------------------------------------------------------ several outputs
def two_headed(form: str) -> keras.Model:
    x = keras.Input((3,))
    m, s = keras.layers.Dense(1, name="m")(x), keras.layers.Dense(1, activation="softplus", name="s")(x)
    return with_same_weights(keras.Model(x, {"list": [m, s], "reversed": [s, m], "dict": {"s": s, "m": m}}[form]))


HEADS = [("list", [0, 1]), ("reversed", [1, 0]), ("dict", ["m", "s"])]


@pytest.mark.parametrize(("form", "places"), HEADS)
def test_several_outputs_train_as_in_keras(form: str, places: list) -> None:
    # Two targets, one for each output, and the sum of two of Keras' losses.
    model = lc.LossModel(two_headed(form), compiled("target u, v\nprediction m, s\n(u - m)**2 + 3*abs(v - s)", inputs=[]))
    own = two_headed(form)
    targets = dict(zip(places, (Y, 2 * Y), strict=True))
    keyed = targets if form == "dict" else [targets[0], targets[1]]
    losses, weights = (dict(zip(places, pair, strict=True)) for pair in (("mse", "mae"), (1.0, 3.0)))
    if form != "dict":
        losses, weights = ([each[0], each[1]] for each in (losses, weights))
    metrics = {"metrics": {"m": ["mae"], "s": ["mse"]}, "weighted_metrics": {"m": ["mse"], "s": ["mae"]}, "run_eagerly": form != "list"}
    model.compile(keras.optimizers.SGD(0.05), **metrics)
    own.compile(keras.optimizers.SGD(0.05), loss=losses, loss_weights=weights, **metrics)
    options = {"sample_weight": WEIGHT, "batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    expected = own.fit(X, keyed, **options | {"sample_weight": _each(keyed, WEIGHT)}).history
    for y in ((Y, 2 * Y), {"v": 2 * Y, "u": Y}):
        model.net.set_weights(two_headed(form).get_weights())
        found = model.fit(X, y, **options).history
        assert found.keys() <= expected.keys()  # Keras also tells each loss alone
        assert {"m_mae", "s_mse", "m_mse", "s_mae"} < found.keys()
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, err_msg=name)
    for weight, other in zip(model.net.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4)


@pytest.mark.parametrize(("form", "places"), HEADS)
@pytest.mark.parametrize("named", [False, True])
def test_weighted_metrics_take_the_weights_of_their_own_target(form: str, places: list, named: bool) -> None:
    model = lc.LossModel(two_headed(form), compiled("target u, v\nprediction m, s\n(u - m)**2 + 3*abs(v - s)", inputs=[]))
    model.compile("sgd", weighted_metrics={"m": ["mse"], "s": ["mae"]})
    other = WEIGHT[::-1].copy()
    y, weights = ({"u": Y, "v": 2 * Y}, {"u": WEIGHT, "v": other}) if named else ((Y, 2 * Y), (WEIGHT, other))
    found = model.evaluate(X, y, sample_weight=weights, verbose=0, return_dict=True)
    m, s = (model.predict(X, verbose=0)[place] for place in places)
    assert found["m_mse"] == pytest.approx(np.average((Y - m)[:, 0] ** 2, weights=WEIGHT), rel=1e-5)
    assert found["s_mae"] == pytest.approx(np.average(abs(2 * Y - s)[:, 0], weights=other), rel=1e-5)
    # The loss has one value a sample, and so one weight.
    loss = ((Y - m) ** 2 + 3 * abs(2 * Y - s))[:, 0]
    assert found["loss"] == pytest.approx(np.mean(loss * (WEIGHT + other) / 2), rel=1e-5)


def _each(y: Any, weight: Any) -> Any:
    return dict.fromkeys(y, weight) if isinstance(y, dict) else [weight] * len(y)


@pytest.mark.parametrize("form", ["list", "reversed", "dict"])
@pytest.mark.parametrize("y", [Y, {"y": Y}, {"y": Y, "s": 5 * Y}], ids=["array", "by name", "by output"])
def test_metrics_of_one_target_and_several_outputs(form: str, y: Any) -> None:
    net = two_headed(form)
    model = lc.LossModel(net, compiled("prediction m, s\n(y - m)**2/s + log(s)", inputs=[]))
    model.compile("sgd", metrics={"m": ["mae"], "s": ["mse"]})
    found = model.evaluate(X, y, verbose=0, return_dict=True)
    m, s = (keras.ops.convert_to_numpy(net.get_layer(name)(X)) for name in "ms")
    of_s = 5 * Y if isinstance(y, dict) and "s" in y else Y
    expected = {"loss": np.mean((Y - m) ** 2 / s + np.log(s)), "m_mae": np.mean(abs(Y - m)), "s_mse": np.mean((of_s - s) ** 2)}
    assert found == pytest.approx(expected, rel=1e-5)
    history = model.fit(X, y, validation_data=(X, y), verbose=0).history
    assert {"m_mae", "s_mse", "val_m_mae", "val_s_mse"} < history.keys()


def test_metrics_of_several_targets_and_one_output() -> None:
    net = functional()
    model = lc.LossModel(net, compiled("target t, e\ne*(t - p)**2 + (1 - e)*relu(t - p)", inputs=[]))
    model.compile("sgd", metrics=["mae", keras.metrics.MeanSquaredError(name="square")])
    event = (Z[:, :1] > 0).astype("float32")
    p = keras.ops.convert_to_numpy(net(X))
    for y in ((Y, event), {"e": event, "t": Y}):
        found = model.evaluate(X, y, verbose=0, return_dict=True)
        assert found["mae"] == pytest.approx(np.mean(abs(Y - p)), rel=1e-5)
        assert found["square"] == pytest.approx(np.mean((Y - p) ** 2), rel=1e-5)


def test_a_loss_without_target_can_have_metrics_of_its_own_y() -> None:
    net = functional()
    model = lc.LossModel(net, compiled("(p - 1)**2", inputs=[]))
    model.compile("sgd", metrics=["mae"])
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found["mae"] == pytest.approx(np.mean(abs(Y - keras.ops.convert_to_numpy(net(X)))), rel=1e-5)
