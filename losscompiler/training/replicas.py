"""Replicas of ``tf.distribute``: a mean over the whole batch from means over its shares."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from losscompiler.training.keras_internals import parts

_CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")


def warn_of_clipping(optimizer: Any) -> None:
    """Warn of gradients that are clipped on each of several replicas, before they are summed, as Keras does."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    clipping = [name for part in parts(optimizer) for name in _CLIPPING if getattr(part, name, None) is not None]
    if clipping and replicas > 1:
        warnings.warn(
            f"the optimizer clips gradients by {clipping[0]}. On {replicas} replicas Keras clips the gradient of each share of the batch "
            "instead of their sum, so that training takes other steps than on one device. Leave clipping out, or train on one device.",
            stacklevel=3,
        )


def of_whole_batch(mean: Any, samples: Any, entries: Any = None, added: Any = None) -> Any:
    """Return a replica's part of the mean over the whole batch, given the mean over its own share.

    Under a strategy such as ``MirroredStrategy`` every replica sees a share of the batch. Keras divides the mean m_r over
    a share by the number of replicas R, adds the gradients up, and weighs the reported m_r by the numbers of samples n_r.
    The mean over the batch is the sum of e_r m_r / e, where e_r counts what m_r is the mean of (samples, or what a mask
    leaves of them) and e is the sum of all e_r. Both agree only if the shares are equal, so that the last batch of an
    epoch, or a mask, would pull the parameters elsewhere than on one device. Here the gradient of m_r / R is multiplied by
    R e_r / e, and its value by (e_r / e) / (n_r / n).

    Outside such a strategy, and on other backends, the mean is returned as it came: JAX computes on the whole batch.

    Args:
        mean: m_r / R, a scalar.
        samples: n_r, the number of samples of this replica.
        entries: e_r; ``None`` if it is n_r.
        added: another mean over the samples of this share over R, or what is the same on all replicas over R, to add.
    """
    whole = mean if added is None else mean + added
    if keras.backend.backend() != "tensorflow":
        return whole
    import tensorflow as tf

    if tf.distribute.in_cross_replica_context():
        return whole
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    if replicas == 1:
        return whole

    def share(count: Any) -> Any:
        count = tf.cast(count, mean.dtype)
        return tf.math.divide_no_nan(count, context.all_reduce(tf.distribute.ReduceOp.SUM, count))

    of_samples = share(samples)
    of_entries = of_samples if entries is None else share(entries)

    def weighed(part: Any, shares: Any) -> Any:
        def forward(part: Any) -> Any:
            # The mean of no samples is no number, and counts nothing.
            counted = tf.where(of_samples > 0, part, tf.zeros_like(part))
            return counted * tf.math.divide_no_nan(shares, of_samples), lambda upstream: upstream * replicas * shares

        return tf.custom_gradient(forward)(part)

    found = weighed(mean, of_entries)
    return found if added is None else found + weighed(added, of_samples)
