"""All probes, group by group; importing a module of probes registers them."""

from __future__ import annotations

import file_probes
import number_probes
import probe
import training_probes

PROBES = sorted(probe.PROBES, key=lambda found: probe.GROUPS.index(found.group))

__all__ = ["PROBES", "file_probes", "number_probes", "training_probes"]
