"""All probes; importing a module of probes registers them."""

from __future__ import annotations

import file_probes
import number_probes
import training_probes
from probe import PROBES

__all__ = ["PROBES", "file_probes", "number_probes", "training_probes"]
