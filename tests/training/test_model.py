"""`LossModel` against NumPy made by hand and against Keras' own losses on the same net."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as array

import losscompiler as lc
from losscompiler.errors import ArgumentError

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 1.5, (24, 3)).astype("float32")
Y = (1 + X.sum(axis=1)).astype("float32")
LEARNABLE = "(log(y) - log(p))**2 + a*p"


def compiled(text: str = LEARNABLE, params: dict | None = None, **options) -> lc.CompiledLoss:
    return lc.compile_loss(text, params, findings="ignore", **options)


def linear(units: int = 1) -> keras.Sequential:
    keras.utils.set_random_seed(3)
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    net.layers[0].set_weights([np.full((3, units), 0.5, "float32"), np.ones(units, "float32")])
    return net


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1, activation="softplus")

    def call(self, x):
        return self.dense(x)


def functional() -> keras.Model:
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Dense(1, activation="softplus")(x))


def nested() -> keras.Model:
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Activation("softplus")(functional()(x)))


NETS = {
    "unbuilt": lambda: keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1, activation="softplus")]),
    "functional": functional,
    "nested": nested,
    "subclassed": Subclassed,
    "layer": lambda: keras.layers.Dense(1, activation="softplus"),
}


# ----------------------------------------------------------------------------------------------------------- training
ON_TORCH = keras.backend.backend() == "torch"
STEPS = pytest.param({"steps_per_execution": 2}, marks=pytest.mark.skipif(ON_TORCH, reason="Keras' torch trainer refuses it"))
JIT = pytest.param({"jit_compile": True}, marks=pytest.mark.skipif(ON_TORCH, reason="torch.compile needs a C++ compiler, and a minute"))


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, JIT, STEPS], ids=str)
def test_plain_gradient_descent_takes_the_steps_that_numpy_takes(options: dict) -> None:
    net = linear()
    model = lc.LossModel(net, compiled(params={"a": 0.5}))
    model.compile(keras.optimizers.SGD(0.01), **options)
    history = model.fit(X, Y, batch_size=12, epochs=2, shuffle=False, verbose=0).history

    w, b, a, rate = np.full((3, 1), 0.5), np.ones(1), 0.5, 0.01
    expected = []
    for start in (0, 12, 0, 12):
        x, y = X[start : start + 12].astype(float), Y[start : start + 12, None].astype(float)
        p = x @ w + b
        slope = a + 2 * (np.log(p) - np.log(y)) / p
        step = (x.T @ slope / len(x), slope.mean(axis=0), p.mean())
        w, b, a = w - rate * step[0], b - rate * step[1], a - rate * step[2]
        expected.append(a)
    np.testing.assert_allclose(net.get_weights()[0], w, rtol=1e-5)
    np.testing.assert_allclose(net.get_weights()[1], b, rtol=1e-5)
    np.testing.assert_allclose(history["a"], expected[1::2], rtol=1e-5)
    np.testing.assert_allclose(model.parameters["a"], a, rtol=1e-5)


@pytest.mark.parametrize("kind", NETS)
def test_any_net_trains_and_is_the_net_that_was_given(kind: str) -> None:
    keras.utils.set_random_seed(0)
    net = NETS[kind]()
    model = lc.LossModel(net, compiled(params={"a": lc.Parameter(0.5, bounds=(0, 1))}))
    model.compile("adam")
    before = model.parameters["a"]
    history = model.fit(X, Y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["a"][-1] == pytest.approx(float(model.parameters["a"])) != pytest.approx(float(before))
    assert model.net is net
    np.testing.assert_allclose(model.predict(X, verbose=0), array(net(X)), rtol=1e-5)
    assert {id(v) for v in net.trainable_variables} < {id(v) for v in model.trainable_variables}
    assert len(model.trainable_variables) == len(net.trainable_variables) + 1


def test_a_loss_without_target_needs_no_y() -> None:
    net = linear()
    model = lc.LossModel(net, compiled("(p - c)**2", {"c": 0.0}))
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(X, batch_size=24, verbose=0)
    # dL/dc = -2 mean(p), with p = 0.5*sum(x) + 1
    assert float(model.parameters["c"]) == pytest.approx(0.1 * 2 * (0.5 * X.sum(axis=1) + 1).mean(), rel=1e-5)


def test_datasets_and_single_batches() -> None:
    models = []
    for _ in range(3):
        models.append(lc.LossModel(linear(), compiled(params={"a": 0.5})))
        models[-1].compile(keras.optimizers.SGD(0.01))
    models[0].fit(X, Y, batch_size=24, verbose=0)
    models[1].fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(24), verbose=0)
    logs = models[2].train_on_batch(X, Y, return_dict=True)
    for model in models[1:]:
        assert float(model.parameters["a"]) == float(models[0].parameters["a"])
    assert float(logs["a"]) == float(models[0].parameters["a"])


def test_the_loss_of_an_epoch_is_evaluated_as_keras_evaluates_its_own() -> None:
    own, keras_own = linear(), linear()
    model = lc.LossModel(own, compiled("(y - p)**2"))
    model.compile("sgd", metrics=["mae"])
    keras_own.compile("sgd", loss="mse", metrics=["mae"])
    for options in ({}, {"sample_weight": np.linspace(0, 2, 24)}):
        found = model.evaluate(X, Y, verbose=0, return_dict=True, **options)
        assert found == pytest.approx(keras_own.evaluate(X, Y[:, None], verbose=0, return_dict=True, **options), rel=1e-6)
    labels = (Y > 5).astype("float32")
    trained = [net.fit(X, labels[:, None], class_weight={0: 1.0, 1: 5.0}, shuffle=False, verbose=0).history for net in (model, keras_own)]
    for name, values in trained[1].items():
        assert trained[0][name] == pytest.approx(values, rel=1e-5)


def test_weights_belong_to_samples_also_when_there_are_as_many_columns() -> None:
    # Three samples, three columns: (3,) against (3, 3) must not run along the columns.
    net = linear(3)
    model = lc.LossModel(net, compiled("(y - p)**2"))
    model.compile("sgd")
    y, weight = np.arange(9, dtype="float32").reshape(3, 3), np.array([1.0, 0.0, 10.0], "float32")
    expected = (((y - array(net(X[:3]))) ** 2).mean(axis=1) * weight).mean()
    assert model.evaluate(X[:3], y, sample_weight=weight, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(ON_TORCH, reason="Keras multiplies weights by masks in place, which torch refuses")
def test_masks_count_as_in_keras() -> None:
    def net() -> keras.Sequential:
        keras.utils.set_random_seed(5)
        recurrent = keras.layers.LSTM(3, return_sequences=True)
        return keras.Sequential([keras.layers.Embedding(7, 4, mask_zero=True), recurrent, keras.layers.Dense(2)])

    words = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 1, 2, 3]])
    y = RNG.normal(size=(3, 4, 2)).astype("float32")
    keras_own = net()
    keras_own.compile("sgd", loss="mse")
    for text in ("(y - p)**2", "mean((y - p)**2)"):
        model = lc.LossModel(net(), compiled(text))
        model.compile("sgd")
        for weight in (None, np.array([[1.0], [2.0], [0.5]], "float32")):
            expected = keras_own.evaluate(words, y, sample_weight=weight, verbose=0)
            assert model.evaluate(words, y, sample_weight=weight, verbose=0) == pytest.approx(expected, rel=1e-5)
        # Keras cannot weigh time steps by (batch,); the column form above is the same thing.
        again = lc.LossModel(model.net, compiled(text))
        again.compile("sgd")
        assert again.evaluate(words, y, sample_weight=weight[:, 0], verbose=0) == pytest.approx(expected, rel=1e-5)


def test_losses_that_layers_add_count_once() -> None:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.25))])
    model = lc.LossModel(net, compiled("(y - p)**2 + 0*a", {"a": lc.Parameter(0.5, bounds=(0, 1), regularizer=keras.regularizers.L1(2.0))}))
    model.compile("sgd")
    p = array(net(X))
    expected = ((Y[:, None] - p) ** 2).mean() + 0.25 * (net.get_weights()[0] ** 2).sum() + 2.0 * 0.5
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_mixed_precision_scales_the_loss_and_keeps_it_in_float32() -> None:
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        net = linear()
        model = lc.LossModel(net, compiled("w*(y - p)**2 + a", {"a": 0.0}, inputs=["w"]))
        model.compile(keras.optimizers.SGD(0.0))
        assert type(model.optimizer).__name__ == "LossScaleOptimizer"
        # An input of 1e5 and squares of 1e6 overflow float16.
        y = np.full(24, 1000.0, "float32")
        data = {"y": y, "w": np.full(24, 1e5, "float32")}
        assert net.compute_dtype == "float16"
        assert model.evaluate(X, data, verbose=0) == pytest.approx(1e5 * ((1000 - array(net(X)).astype(float)) ** 2).mean(), rel=1e-3)
        model.fit(X, data, verbose=0)
        assert np.isfinite(model.net.get_weights()[0]).all()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


# --------------------------------------------------------------------------------------------------------------- logs
def test_logs_hold_the_constrained_values_and_evaluate_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    text = "param w[p] > 0 = [1, 2]\nparam M[2, 2] = 0.5\nparam loss in (0, 1) = 0.5\nsum(w*(y - p)**2 - log(w)) + loss*sum(p) + sum(p @ M)"
    model = lc.LossModel(linear(2), compiled(text))
    model.compile(keras.optimizers.SGD(0.01), metrics=["mae"])
    y = np.stack([Y, Y], axis=1)
    history = model.fit(X, y, epochs=2, verbose=2, validation_data=(X, y)).history
    elements = {"w[0]", "w[1]", "M[0,0]", "M[0,1]", "M[1,0]", "M[1,1]", "parameter_loss"}
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"} | elements
    now = model.parameters
    assert [history["w[0]"][-1], history["w[1]"][-1]] == pytest.approx(now["w"].tolist())
    assert history["M[1,0]"][-1] == pytest.approx(now["M"][1, 0])
    assert history["parameter_loss"][-1] == pytest.approx(float(now["loss"]))
    assert "w[0]: " in capsys.readouterr().out
    assert set(model.evaluate(X, y, verbose=0, return_dict=True)) == {"loss", "mae"}
    assert len(model.evaluate(X, y, verbose=0)) == 2


def test_a_long_parameter_is_logged_by_its_range() -> None:
    model = lc.LossModel(linear(40), compiled("param w[p] = 1\nsum(w*(y - p)**2)"))
    model.compile(keras.optimizers.SGD(1e-4))
    history = model.fit(X, np.zeros((24, 40)), verbose=0).history
    assert set(history) == {"loss", "w[min]", "w[mean]", "w[max]"}
    assert history["w[mean]"][0] == pytest.approx(model.parameters["w"].mean(), rel=1e-5)


def test_callbacks_see_the_parameters() -> None:
    seen = []
    model = lc.LossModel(linear(), compiled(params={"a": 0.5}))
    model.compile("sgd")
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(logs["a"]))
    model.fit(X, Y, batch_size=12, verbose=0, callbacks=[callback])
    assert len(seen) == 2
    assert seen[1] == pytest.approx(float(model.parameters["a"]))


# ------------------------------------------------------------------------------------------- several outputs and data
GAUSS = "prediction m, s\n(y - m)**2/s + log(s) + a*m"


@pytest.mark.parametrize("form", ["dict", "names", "positions"])
def test_several_predictions(form: str) -> None:
    x = keras.Input((3,))
    m = keras.layers.Dense(1, name="m", kernel_initializer="ones")(x)
    s = keras.layers.Dense(1, name="s" if form == "names" else "other", activation="softplus")(x)
    net = keras.Model(x, {"dict": {"s": s, "m": m}, "names": [s, m], "positions": [m, s]}[form])
    model = lc.LossModel(net, compiled(GAUSS))
    model.compile(keras.optimizers.SGD(0.1))
    means = X.sum(axis=1, keepdims=True)
    scales = array(keras.Model(x, s)(X))
    expected = ((Y[:, None] - means) ** 2 / scales + np.log(scales) + means).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)
    model.fit(X, Y, batch_size=24, verbose=0)
    assert float(model.parameters["a"]) == pytest.approx(1 - 0.1 * means.mean(), rel=1e-5)


@pytest.mark.parametrize("y", [(Y, 2 * Y), {"v": 2 * Y, "u": Y}], ids=["tuple", "dict"])
def test_several_targets(y) -> None:
    net = linear()
    model = lc.LossModel(net, compiled("target u, v\n(u - p)**2 + a*(v - p)**2"))
    model.compile("sgd")
    p, weight = array(net(X))[:, 0], np.linspace(0, 1, 24)
    each = (Y - p) ** 2 + (2 * Y - p) ** 2
    assert model.evaluate(X, y, verbose=0) == pytest.approx(each.mean(), rel=1e-5)
    assert model.evaluate(X, y, sample_weight=weight, verbose=0) == pytest.approx((weight * each).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_inputs_of_the_loss_ride_along_with_x(kind: str) -> None:
    x = keras.Input((3,), name="x")
    net = linear() if kind == "sequential" else keras.Model(x, keras.layers.Dense(1)(x))
    model = lc.LossModel(net, compiled("w*(y - p)**2", inputs=["w"]))
    model.compile("sgd", metrics=["mae"])
    weight = np.linspace(0, 1, 24).astype("float32")
    p = array(net(X))[:, 0]
    expected = {"loss": (weight * (Y - p) ** 2).mean(), "mae": abs(Y - p).mean()}
    for arguments in (({"x": X, "w": weight}, Y), (X, {"y": Y, "w": weight})):
        assert model.evaluate(*arguments, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)
    model.fit({"x": X, "w": weight}, Y, verbose=0)
    np.testing.assert_allclose(model.predict({"x": X}, verbose=0), model.predict(X, verbose=0))


# ------------------------------------------------------------------------------------------------------------- errors
def test_what_cannot_be_is_said() -> None:
    model = lc.LossModel(linear(), compiled())
    with pytest.raises(ArgumentError, match="LossModel has its loss already"):
        model.compile("sgd", loss="mse")
    with pytest.raises(ArgumentError, match="LossModel has its loss already"):
        model.compile("sgd", "mse")
    model.compile("sgd")
    with pytest.raises(ArgumentError, match="there is no y"):
        model.fit(X, verbose=0)
    with pytest.raises(ArgumentError, match="net must be a Keras model, not function"):
        lc.LossModel(lambda x: x, compiled())
    with pytest.raises(ArgumentError, match="the loss has no prediction"):
        lc.LossModel(linear(), compiled("(y - c)**2", {"c": 0.0}))


def test_weights_and_masks_need_a_loss_for_each_sample() -> None:
    model = lc.LossModel(linear(), compiled("mean((y - p)**2, axis=all)"))
    model.compile("sgd")
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(((Y - array(model.net(X))[:, 0]) ** 2).mean(), rel=1e-5)
    with pytest.raises(ArgumentError, match="reduces over the batch"):
        model.evaluate(X, Y, sample_weight=np.ones(24), verbose=0)
    masked = keras.Sequential([keras.layers.Embedding(7, 4, mask_zero=True), keras.layers.Dense(2)])
    model = lc.LossModel(masked, compiled("sum((y - p)**2, axis=(-2, -1))"))
    model.compile("sgd")
    with pytest.raises(ArgumentError, match="carries a mask"):
        model.evaluate(np.ones((3, 4)), np.zeros((3, 4, 2)), verbose=0)


# ------------------------------------------------------------------------------------------- as soon as the net is built
VECTOR = "param w[p] > 0 = 1\nparam s = 1\nw*(y - p)**2 - log(w) + s**2"


@pytest.mark.parametrize("make", [linear, functional, nested])
def test_a_built_net_makes_a_built_model(make, tmp_path) -> None:
    model = lc.LossModel(make(), compiled(VECTOR))
    assert model.built
    assert model.count_params() == model.net.count_params() + 2
    model.compile("sgd")
    model.set_parameters(s=2.0, w=[0.5])
    model.save_weights(tmp_path / "model.weights.h5")
    other = lc.LossModel(make(), compiled(VECTOR))
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose([other.parameters["s"], *other.parameters["w"]], [2, 0.5], rtol=1e-6)
    model.fit(X, Y, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))])


def test_a_net_of_unknown_output_waits_for_the_first_batch() -> None:
    model = lc.LossModel(Subclassed(), compiled(VECTOR))
    assert not model.built
    with pytest.raises(ValueError, match=r"'s' has no value yet: the weights wait for the length of 'p'. Call the layer first"):
        model.set_parameters(s=2.0)
    model.compile("sgd")
    model.fit(X, Y, verbose=0)
    model.set_parameters(s=2.0)


def test_predictions_that_do_not_fit_are_said_when_the_model_is_made() -> None:
    with pytest.raises(ArgumentError, match="the loss has the predictions m, s, but the net has one output"):
        lc.LossModel(functional(), compiled("prediction m, s\nlog(s) + ((y - m)/s)**2"))


# ------------------------------------------------------------------------------------------------------- usual mistakes
def test_one_hot_labels_as_positions_are_warned_of() -> None:
    labels = np.arange(24) % 3
    for y in (labels, labels[:, None], labels.astype("float32"), np.eye(3, dtype="int32")[labels]):
        model = lc.LossModel(linear(3), compiled("logsumexp(p) - p[y]"))
        model.compile("sgd", run_eagerly=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error", lc.LossWarning)
            model.fit(X, y, verbose=0)
    with pytest.warns(lc.LossWarning, match=r"p\[y\] takes each element of 'y' as a position, but 'y' holds floats.* write sum\(y"):
        model.fit(X, np.eye(3, dtype="float32")[labels], verbose=0)


def test_targets_with_an_axis_more_than_predictions() -> None:
    nets = [keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "softplus", kernel_initializer="ones"), *more])
            for more in ([], [keras.layers.Reshape(())])]  # fmt: skip
    histories = []
    for net in nets:
        model = lc.LossModel(net, compiled(params={"a": 0.5}))
        model.compile("sgd")
        histories.append(model.fit(X, Y[:, None], epochs=2, shuffle=False, verbose=0).history)
    assert histories[0] == histories[1]
