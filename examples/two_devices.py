"""Does a loss with learned parameters train on two devices as it does on one?

The same net is trained by the same global batches twice: on one device, and by `tf.distribute.MirroredStrategy` on two. Every
machine has two devices for this purpose: TensorFlow splits its CPU into two logical ones. The loss is the log-likelihood of
Student's t-distribution, whose scale s and tail nu are learned within their bounds.

The 1003 samples make 15 batches of 64 and a last one of 43, of which one device takes 22 and the other 21: were the means over
the two shares just averaged, the parameters would go elsewhere. They follow the trajectory of one device to rounding, in
float32 about 1e-6 of their size. With two GPUs, take "GPU:0" and "GPU:1" and leave out `split_the_cpu`; on JAX,
`keras.distribution.DataParallel` does the same, if every batch can be divided evenly, and over several processes after
`keras.distribution.initialize`, on CPUs too.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import losscompiler as lc

STUDENT_T = """\
param s > 0 = 1
param nu > 2 = 5
lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + log(s) + (nu + 1)/2*log1p(((y - p)/s)**2/nu)
"""
DEVICES = ["CPU:0", "CPU:1"]


def split_the_cpu() -> None:
    """Make two logical devices of the CPU; possible only before TensorFlow has used it."""
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])


def make_data(samples: int = 1003) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, 3))
    return x.astype("float32"), (x @ [3.0, -2.0, 1.0] + 0.3 * rng.standard_t(4, samples)).astype("float32")


def train(strategy: tf.distribute.Strategy, epochs: int) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    """Return the history of losses and parameters, and the trained weights."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
        model = lc.LossModel(net, lc.compile_loss(STUDENT_T))
        model.compile(keras.optimizers.Adam(0.02))
    x, y = make_data()
    history = model.fit(x, y, batch_size=64, epochs=epochs, shuffle=False, verbose=0).history
    return history, model.get_weights()


def main(epochs: int = 8) -> dict[str, float]:
    split_the_cpu()
    one, weights_of_one = train(tf.distribute.get_strategy(), epochs)
    two, weights_of_two = train(tf.distribute.MirroredStrategy(DEVICES), epochs)
    print(f"{'':<8}{'one device':^30}{'two devices':^30}")
    print(f"{'epoch':<8}" + f"{'loss':>10}{'s':>10}{'nu':>10}" * 2)
    for epoch in range(epochs):
        print(f"{epoch + 1:<8}" + "".join(f"{found[name][epoch]:>10.6f}" for found in (one, two) for name in ("loss", "s", "nu")))
    logged = max(float(np.max(np.abs(np.divide(two[name], one[name]) - 1))) for name in one)
    trained = max(float(np.max(np.abs(a - b))) for a, b in zip(weights_of_one, weights_of_two, strict=True))
    print(f"\nlargest relative difference of losses and parameters: {logged:.1e}")
    print(f"largest difference of a trained weight: {trained:.1e}")
    return {"logged": logged, "trained": trained}


if __name__ == "__main__":
    main()
