"""The stage itself: every kind of finding, in the order of the text."""

from __future__ import annotations

from losscompiler.analysis.domain_findings import find_domains
from losscompiler.analysis.domains import settle
from losscompiler.analysis.drifts import find_drifts
from losscompiler.analysis.finding import FINDING_CODES, Finding
from losscompiler.analysis.names import find_names
from losscompiler.analysis.samples import Samples
from losscompiler.analysis.study import Study
from losscompiler.analysis.trends import Trends
from losscompiler.graph.loss_graph import LossGraph

_ORDER = {code: position for position, code in enumerate(FINDING_CODES)}


def find(loss: LossGraph) -> tuple[Finding, ...]:
    """Return what the author of a loss would want to know before training, sorted by place.

    Deterministic: data for probes come from a fixed seed, and work is bounded by counts, not by the clock. Losses of more
    than 400 operations or 20 trained numbers are studied by structure only.
    """
    study = Study.of(loss)
    found = [*find_names(study)]
    domains = settle(study)
    samples = Samples(study, domains) if study.probed else None
    found += find_domains(study, domains, samples)
    if samples is not None:
        found += find_drifts(study, Trends(study, samples))
    return tuple(sorted(found, key=lambda one: (one.span.start, one.span.end, _ORDER[one.code], one.message)))
