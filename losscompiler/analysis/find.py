"""The stage itself: every kind of finding, in the order of the text."""

from __future__ import annotations

from losscompiler.analysis.curvature import find_convex
from losscompiler.analysis.domain_findings import find_domains
from losscompiler.analysis.domains import Domains, settle
from losscompiler.analysis.drifts import find_drifts
from losscompiler.analysis.finding import FINDING_CODES, Finding
from losscompiler.analysis.kinks import find_kinks
from losscompiler.analysis.names import find_names
from losscompiler.analysis.redundancy import find_redundant
from losscompiler.analysis.samples import Samples
from losscompiler.analysis.starts import find_on_bounds, find_starts
from losscompiler.analysis.study import Study
from losscompiler.analysis.trends import Trends
from losscompiler.graph.loss_graph import LossGraph

_ORDER = {code: position for position, code in enumerate(FINDING_CODES)}


def find(loss: LossGraph) -> tuple[Finding, ...]:
    """Return what the author of a loss would want to know before training, sorted by place.

    Deterministic: data for probes come from a fixed seed, and work is bounded by counts, not by the clock. Losses of more
    than 400 nodes or 20 trained parameters are studied by structure only.
    """
    study = Study.of(loss)
    domains = settle(study)
    found = [*find_names(study), *find_on_bounds(study)]
    if study.probed:
        found += _probe(study, domains)
    else:
        found += [*find_domains(study, domains, None), *find_kinks(study, domains, None)]
    return tuple(sorted(found, key=lambda one: (one.span.start, one.span.end, _ORDER[one.code], one.message)))


def _probe(study: Study, domains: Domains) -> list[Finding]:
    """Return what shows in derivatives and on data."""
    import numpy as np

    with np.errstate(all="ignore"):
        samples = Samples(study, domains)
        return [
            *find_domains(study, domains, samples), *find_starts(study, samples), *find_redundant(study, samples),
            *find_drifts(study, Trends(study, samples)), *find_kinks(study, domains, samples), *find_convex(study, domains),
        ]  # fmt: skip
