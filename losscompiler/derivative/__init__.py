"""Derivatives: one reverse sweep over the shared graph, with the rules of the table of functions."""

from losscompiler.derivative.reverse import Gradients, gradients

__all__ = ["Gradients", "gradients"]
