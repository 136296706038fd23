"""Rewrite rules that no single pattern can state, in the order in which they are tried at a node, after the patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable import exponentials, log_sums, powers, quotients, two_terms
from losscompiler.stable.affinities import AFFINITIES, LOGS_OF_AFFINITIES, Affinities
from losscompiler.stable.branches import BRANCHES, into_branches
from losscompiler.stable.cancellation import CANCELLATION, Cancellation
from losscompiler.stable.common_factors import (
    BINARY_ENTROPY,
    COMMON_FACTORS,
    LESS_EXPONENTIAL,
    LESS_HALF,
    LESS_SHARE,
    OPPOSITES,
    binary_entropy,
    common_factor,
    less_exponential,
    less_half,
    less_share,
    opposites,
)
from losscompiler.stable.contrasts import CONTRASTS, contrast
from losscompiler.stable.cosines import COSINE_DISTANCES, cosine_distance
from losscompiler.stable.dispersions import DISPERSIONS, of_dispersion
from losscompiler.stable.exponentials import Exponentials
from losscompiler.stable.gamma_differences import GAMMA_DIFFERENCES, GammaDifferences
from losscompiler.stable.log_domain import LOG_DOMAIN, LogDomain
from losscompiler.stable.log_quotients import (
    BALANCED_LOGS,
    ENTROPIES_OF_QUOTIENTS,
    LOG_QUOTIENTS,
    POWERS_OF_SHARES,
    PowersOfShares,
    balanced_logs,
    entropy_of_quotient,
    log_of_quotient,
)
from losscompiler.stable.log_sums import LogSums
from losscompiler.stable.mixtures import COMPLEMENTS_OF_MIXTURES, complement_of_mixture
from losscompiler.stable.moment_sums import MOMENT_SUMS, RECIPROCAL_MEANS, MomentSums, reciprocal_mean
from losscompiler.stable.normal_tails import NORMAL_TAILS, NormalTails
from losscompiler.stable.powers import (
    COMPLEMENTS_OF_POWERS,
    LOG_OF_POWERS,
    MERGED_POWERS,
    POWERS_LESS_1,
    POWERS_OF_POWERS,
    RECIPROCALS,
    WEIGHTED_POWERS,
    merge_powers,
    power_less_1,
    reciprocal_beside_base,
)  # fmt: skip
from losscompiler.stable.remainders import LOG_COSH, REMAINDERS, Remainders
from losscompiler.stable.removable import QUOTIENTS, Removable
from losscompiler.stable.roots import (
    SHARE_OF_ROOT,
    SINES_OVER_COSINES,
    SLOPES_OF_ARCS,
    SQUARE_UNDER_ROOT,
    share_of_root,
    sine_over_cosine,
    slope_of_arc,
    square_under_root,
)
from losscompiler.stable.rules import Rule
from losscompiler.stable.scales import (
    LESS_SLOPE,
    LESS_SLOPE_OF_LOG_COSH,
    LESS_SLOPE_OF_SINE,
    less_slope,
    less_slope_of_log_cosh,
    less_slope_of_sine,
)
from losscompiler.stable.separate import SEPARATED, separated
from losscompiler.stable.sharpness import SHARPNESS, Sharpness
from losscompiler.stable.signs import Signs
from losscompiler.stable.slopes import POWERS_AT_KINKS, SIGNED, SLOPES, power_at_kink, signed, slopes
from losscompiler.stable.stirling import STIRLING, UNDERFLOWING_ARGUMENTS, of_reciprocal, of_underflowing
from losscompiler.stable.two_terms import TwoTerms
from losscompiler.stable.unit_slopes import UNIT_SLOPES, unit_slope_difference
from losscompiler.stable.von_mises import VON_MISES, von_mises
from losscompiler.stable.weights import WEIGHTED_LOGS, WeightedLogs

Step: TypeAlias = Callable[[Node], Node | None]
"""Returns another form of a node, or ``None`` where the rule does not apply."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A rule with the code that carries it out.

    Attributes:
        rule: the identity: an example of it in the loss language, its range and source. Tests prove the example.
        begin: makes the step for one graph, whose symbols in the mapping are parameters with bounds.
    """

    rule: Rule
    begin: Callable[[Graph, Mapping[str, Parameter]], Step]


def _on(function: Callable[[Graph, Node], Node | None]) -> Callable[[Graph, Mapping[str, Parameter]], Step]:
    """Return what makes the step of a function that needs no parameters."""
    return lambda graph, parameters: lambda node: function(graph, node)


def _complement_of_power(graph: Graph, parameters: Mapping[str, Parameter]) -> Step:
    signs = Signs(parameters)
    return lambda node: powers.complement_of_power(graph, signs, node)


def _weighted_power(graph: Graph, parameters: Mapping[str, Parameter]) -> Step:
    signs = Signs(parameters)
    return lambda node: powers.weighted_power(graph, signs, node)


def _sum_over_terms(graph: Graph, parameters: Mapping[str, Parameter]) -> Step:
    signs = Signs(parameters)
    return lambda node: quotients.sum_over_terms(graph, signs, node)


def _power_of_power(graph: Graph, parameters: Mapping[str, Parameter]) -> Step:
    signs = Signs(parameters)
    return lambda node: powers.power_of_power(graph, signs, node)


PREPARING: tuple[Transformation, ...] = (
    Transformation(GAMMA_DIFFERENCES, lambda graph, parameters: GammaDifferences(graph).apply),
    Transformation(quotients.SHARES, _on(quotients.share)),
    Transformation(DISPERSIONS, _on(of_dispersion)),
)
"""Applied to the loss as written, where likelihoods by their dispersion are found, which other forms would hide."""

TRANSFORMATIONS: tuple[Transformation, ...] = (
    Transformation(LOG_DOMAIN, lambda graph, parameters: LogDomain(graph, parameters).apply),
    Transformation(BRANCHES, _on(into_branches)),
    Transformation(SHARPNESS, lambda graph, parameters: Sharpness(graph).apply),
    Transformation(REMAINDERS, lambda graph, parameters: Remainders(graph).apply),
    Transformation(LOG_COSH, lambda graph, parameters: Remainders(graph).log_cosh),
    Transformation(POWERS_OF_SHARES, lambda graph, parameters: PowersOfShares(graph, Signs(parameters)).apply),
    Transformation(QUOTIENTS, lambda graph, parameters: Removable(graph, parameters).apply),
    Transformation(GAMMA_DIFFERENCES, lambda graph, parameters: GammaDifferences(graph).apply),
    Transformation(DISPERSIONS, _on(of_dispersion)),
    Transformation(STIRLING, _on(of_reciprocal)),
    # -- products
    Transformation(exponentials.POWERS, lambda graph, parameters: Exponentials(graph, parameters).power),
    Transformation(exponentials.SPREAD, lambda graph, parameters: Exponentials(graph, parameters).spread),
    Transformation(exponentials.SHARED_OUT, lambda graph, parameters: Exponentials(graph, parameters).shared_out),
    Transformation(exponentials.PRODUCTS, lambda graph, parameters: Exponentials(graph, parameters).product),
    Transformation(exponentials.PICKED, lambda graph, parameters: Exponentials(graph, parameters).exp_of_selection),
    Transformation(log_sums.SCALED_LOG_SUMS, lambda graph, parameters: LogSums(graph).scaled),
    Transformation(quotients.SCALED, _on(quotients.merged_scales)),
    Transformation(quotients.SHARES, _on(quotients.share)),
    Transformation(CONTRASTS, _on(contrast)),
    Transformation(quotients.SUMS_OVER_TERMS, _sum_over_terms),
    Transformation(quotients.LIMITED, _on(quotients.limited)),
    Transformation(WEIGHTED_LOGS, lambda graph, parameters: WeightedLogs(graph, parameters).apply),
    # -- sums
    Transformation(two_terms.TWO_TERMS, lambda graph, parameters: TwoTerms(graph, parameters).apply),
    Transformation(two_terms.EXPONENTIAL_PAIRS, lambda graph, parameters: TwoTerms(graph, parameters).exponential_pair),
    Transformation(two_terms.BINOMIALS, lambda graph, parameters: TwoTerms(graph, parameters).binomial),
    Transformation(COMPLEMENTS_OF_MIXTURES, _on(complement_of_mixture)),
    Transformation(two_terms.COMPLEMENTS, lambda graph, parameters: TwoTerms(graph, parameters).complement),
    Transformation(log_sums.RESIDUALS, _on(log_sums.residual)),
    Transformation(log_sums.LOG_SUMS, lambda graph, parameters: LogSums(graph).elements),
    Transformation(log_sums.LOG_SHARES, lambda graph, parameters: LogSums(graph).rows),
    Transformation(AFFINITIES, lambda graph, parameters: Affinities(graph).complement),
    Transformation(LOGS_OF_AFFINITIES, lambda graph, parameters: Affinities(graph).logarithm),
    Transformation(OPPOSITES, _on(opposites)),
    Transformation(BINARY_ENTROPY, _on(binary_entropy)),
    Transformation(log_sums.CANCELLED, _on(log_sums.cancelled)),
    # -- roots
    Transformation(quotients.LESS_ITS_PART, lambda graph, parameters: quotients.LessItsPart(graph, Signs(parameters)).apply),
    Transformation(quotients.ROOTS, _on(quotients.root_of_squares)),
    Transformation(POWERS_OF_POWERS, _power_of_power),
    Transformation(LOG_OF_POWERS, lambda graph, parameters: powers.LogOfPower(graph, Signs(parameters)).apply),
    Transformation(SQUARE_UNDER_ROOT, _on(square_under_root)),
    Transformation(SIGNED, _on(signed)),
)
"""Applied to the loss as written, before it is differentiated."""

FINISHING: tuple[Transformation, ...] = (
    Transformation(VON_MISES, _on(von_mises)),
    Transformation(COSINE_DISTANCES, _on(cosine_distance)),
    Transformation(SEPARATED, _on(separated)),
    Transformation(RECIPROCAL_MEANS, _on(reciprocal_mean)),
    Transformation(COMPLEMENTS_OF_POWERS, _complement_of_power),
    Transformation(NORMAL_TAILS, lambda graph, parameters: NormalTails(graph).apply),
    Transformation(UNDERFLOWING_ARGUMENTS, _on(of_underflowing)),
    Transformation(BALANCED_LOGS, _on(balanced_logs)),
    Transformation(LOG_QUOTIENTS, _on(log_of_quotient)),
    Transformation(ENTROPIES_OF_QUOTIENTS, _on(entropy_of_quotient)),
    Transformation(quotients.RELATIVE_DIFFERENCES, _on(quotients.relative_difference)),
)
"""Applied to what those have made, before it is differentiated: forms that would hide what cancels from the others."""

MERGING: tuple[Transformation, ...] = (
    Transformation(LOG_DOMAIN, lambda graph, parameters: LogDomain(graph, parameters).apply),
    Transformation(exponentials.CONFLICTS, lambda graph, parameters: Exponentials(graph, parameters).conflict),
    Transformation(BRANCHES, _on(into_branches)),
    Transformation(CANCELLATION, lambda graph, parameters: Cancellation(graph).apply),
    Transformation(COMMON_FACTORS, _on(common_factor)),
    Transformation(OPPOSITES, _on(opposites)),
    Transformation(LESS_SLOPE, _on(less_slope)),
    Transformation(LESS_SLOPE_OF_SINE, _on(less_slope_of_sine)),
    Transformation(LESS_SLOPE_OF_LOG_COSH, _on(less_slope_of_log_cosh)),
    Transformation(LESS_EXPONENTIAL, _on(less_exponential)),
    Transformation(LESS_HALF, _on(less_half)),
    Transformation(LESS_SHARE, _on(less_share)),
    Transformation(UNIT_SLOPES, _on(unit_slope_difference)),
    Transformation(MOMENT_SUMS, lambda graph, parameters: MomentSums(graph).apply),
    Transformation(SHARE_OF_ROOT, _on(share_of_root)),
    Transformation(SLOPES_OF_ARCS, _on(slope_of_arc)),
    Transformation(SLOPES, _on(slopes)),
    Transformation(MERGED_POWERS, _on(merge_powers)),
    Transformation(RECIPROCALS, _on(reciprocal_beside_base)),
    Transformation(POWERS_LESS_1, _on(power_less_1)),
)
"""Applied to value and gradients after derivation, while powers are still powers."""

GUARDING: tuple[Transformation, ...] = (
    Transformation(WEIGHTED_POWERS, _weighted_power),
    Transformation(POWERS_AT_KINKS, _on(power_at_kink)),
    Transformation(SINES_OVER_COSINES, _on(sine_over_cosine)),
    Transformation(exponentials.DIVISORS, lambda graph, parameters: Exponentials(graph, parameters).divisor),
    Transformation(exponentials.UNDERFLOWING, lambda graph, parameters: Exponentials(graph, parameters).underflowing),
    Transformation(exponentials.VANISHING, lambda graph, parameters: Exponentials(graph, parameters).vanishing),
)
"""Applied last, with predictions as parameters without bounds; what would be infinite in float32 is so in float64 for larger
arguments only."""
