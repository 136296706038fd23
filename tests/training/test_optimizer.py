"""What optimizers do to a loss's parameters."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import losscompiler as lc

X = np.linspace(0, 1, 16, dtype="float32")[:, None]


def model_of(text: str, params: dict, optimizer: object) -> lc.LossModel:
    loss = lc.compile_loss(text, params, findings="ignore")
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model = lc.LossModel(net, loss)
    model.compile(optimizer)
    return model


@pytest.mark.parametrize("make", [keras.optimizers.AdamW, lambda **k: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(**k))])
def test_parameters_do_not_decay_and_weights_do(make) -> None:
    model = model_of("0*(y - p)**2*a", {"a": 0.5}, make(learning_rate=0.1, weight_decay=0.1))
    model.fit(X, X, batch_size=16, verbose=0)
    assert float(model.parameters["a"]) == 0.5
    # Decoupled decay of a weight without gradient: w - learning_rate*weight_decay*w.
    np.testing.assert_allclose(model.net.get_weights()[0], [[0.99]], rtol=1e-6)


def test_what_the_user_excluded_stays_excluded() -> None:
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    model = model_of("0*(y - p)**2*a", {"a": 0.5}, optimizer)
    model.fit(X, X, verbose=0)
    assert float(model.parameters["a"]) == 0.5
    np.testing.assert_allclose(model.net.get_weights()[0], [[1.0]])


def test_a_parameter_whose_length_is_open_does_not_decay_either() -> None:
    model = model_of("param w[p] = 1\n0*w*(y - p)**2", None, keras.optimizers.SGD(0.1, weight_decay=0.1))
    model.fit(X, X, batch_size=16, verbose=0)
    np.testing.assert_allclose(model.parameters["w"], [1.0])
    np.testing.assert_allclose(model.net.get_weights()[0], [[0.99]], rtol=1e-6)


def test_a_frozen_parameter_stays_put() -> None:
    params = {"a": lc.Parameter(0.5, trainable=False), "b": 0.5}
    model = model_of("a*b*(y - p - 1)**2", params, keras.optimizers.SGD(0.1))
    model.fit(X, X, verbose=0)
    assert float(model.parameters["a"]) == 0.5
    assert float(model.parameters["b"]) != 0.5


def test_a_regularizer_acts_on_the_constrained_value() -> None:
    # a = softplus(u), L = 3 a**2: du = -rate * 6 a * sigmoid(u), with u = log(exp(2) - 1).
    params = {"a": lc.Parameter(2.0, bounds=(0, None), regularizer=keras.regularizers.L2(3.0))}
    model = model_of("0*a*(y - p)**2", params, keras.optimizers.SGD(0.01))
    model.fit(X, X, batch_size=16, verbose=0)
    u = np.log(np.expm1(2.0))
    u -= 0.01 * 6 * 2.0 / (1 + np.exp(-u))
    assert float(model.parameters["a"]) == pytest.approx(np.log1p(np.exp(u)), rel=1e-5)


def test_a_bounded_step_is_the_chain_rule() -> None:
    # a = 1 + 2*sigmoid(u), L = a*p: du = -rate * mean(p) * (a - 1)(3 - a)/2.
    model = model_of("a*p", {"a": lc.Parameter(1.5, bounds=(1, 3))}, keras.optimizers.SGD(0.25))
    model.fit(X, batch_size=16, verbose=0)
    u = np.log(0.25 / 0.75) - 0.25 * X.mean() * 0.5 * 1.5 / 2
    assert float(model.parameters["a"]) == pytest.approx(1 + 2 / (1 + np.exp(-u)), rel=1e-5)


@pytest.mark.parametrize("sign", ["", "-"])
def test_no_learning_rate_drives_a_parameter_out_of_its_bounds(sign: str) -> None:
    params = {"a": lc.Parameter(0.5, bounds=(0, 1)), "b": lc.Parameter(1.0, bounds=(0, None)), "c": lc.Parameter(-1.0, bounds=(None, 0))}
    model = model_of(f"{sign}(a + b + c)*(1 + 0*p)", params, keras.optimizers.SGD(1e4))
    for _ in range(3):
        model.fit(X, verbose=0)
        now = model.parameters
        assert 0 < now["a"] < 1
        assert 0 < now["b"] < np.inf
        assert -np.inf < now["c"] < 0


def test_set_parameters_keeps_the_optimizers_state() -> None:
    model = model_of("a*(y - p)**2", {"a": 1.0}, keras.optimizers.Adam(0.01))
    model.fit(X, X, verbose=0)
    steps = int(model.optimizer.iterations)
    model.set_parameters(a=3.0)
    assert float(model.parameters["a"]) == 3.0
    model.fit(X, X, verbose=0)
    assert int(model.optimizer.iterations) == 2 * steps
