"""Published losses that ship with the package, as data: ``losscompiler.catalog["barron"]``."""

from __future__ import annotations

import sys
from typing import cast

from losscompiler.catalog.entry import Entry
from losscompiler.catalog.shelf import Catalog, Row

__all__ = ["Catalog", "Entry", "Row", "catalog"]

sys.modules[__name__].__class__ = Catalog
catalog = cast(Catalog, sys.modules[__name__])
"""The module itself, which is the mapping: ``len``, ``in``, iteration, ``search`` and ``rows``."""
