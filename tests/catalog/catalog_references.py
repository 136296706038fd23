"""All comparisons; importing a module of references registers them."""

from __future__ import annotations

import against_integrals
import against_keras
import against_paper
import against_paper_batches
import against_paper_masks
import against_paper_models
import against_scipy
import against_torch
import against_torch_parts
from catalog_case import CASES

__all__ = [
    "CASES",
    "against_integrals",
    "against_keras",
    "against_paper",
    "against_paper_batches",
    "against_paper_masks",
    "against_paper_models",
    "against_scipy",
    "against_torch",
    "against_torch_parts",
]
