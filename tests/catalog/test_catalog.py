"""The catalogue as a whole: a mapping of losses that compile, and what it covers."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import keras
import pytest
from catalog_references import CASES

import losscompiler as lc
from losscompiler.catalog import Entry

FOLDER = Path(lc.__file__).parent / "catalog"

# Base classes and functions; CTC aligns sequences by dynamic programming, which no formula of the language does.
KERAS_EXCEPTIONS = {"Loss", "CTC"}
TORCH_EXCEPTIONS = {"ctc_loss"}
TORCH_LOSSES = {
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cross_entropy", "gaussian_nll_loss",
    "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "linear_cross_entropy", "margin_ranking_loss", "mse_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
    "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
}  # fmt: skip


def references() -> set[str]:
    """Return what the entries are checked against, without the arguments in parentheses."""
    return {name.split("(")[0].strip() for entry in lc.catalog.values() for name in entry.checked_against}


# ----------------------------------------------------------------------------------------------------------- a mapping
def test_it_is_a_mapping_in_the_order_of_the_alphabet() -> None:
    assert isinstance(lc.catalog, Mapping)
    keys = list(lc.catalog)
    assert keys == sorted(keys)
    assert len(keys) == len(lc.catalog) >= 80
    assert keys == list(lc.catalog.keys())
    assert "barron" in lc.catalog
    assert "no such loss" not in lc.catalog
    assert lc.catalog.get("no such loss") is None


def test_an_entry_says_what_it_is() -> None:
    entry = lc.catalog["barron"]
    assert isinstance(entry, Entry)
    assert (entry.key, entry.family) == ("barron", "robust")
    assert "2019" in entry.source
    with pytest.raises(AttributeError):
        entry.key = "other"  # type: ignore[misc]


def test_every_import_gives_the_same_mapping() -> None:
    import losscompiler.catalog
    from losscompiler.catalog import catalog

    assert losscompiler.catalog["huber"] is catalog["huber"] is lc.catalog["huber"]
    code = "import losscompiler.catalog as first, losscompiler as lc; assert lc.catalog['huber'] == first['huber']"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("asked", "meant"), [("baron", "barron"), ("Huber", "huber"), ("dpo loss", "dpo"), ("tversky_focal", "tversky")])
def test_an_unknown_key_names_the_nearest(asked: str, meant: str) -> None:
    with pytest.raises(KeyError, match=f"there is no loss '{asked}' in the catalogue. Did you mean '{meant}'"):
        lc.catalog[asked]


def test_a_hopeless_key_points_to_the_search() -> None:
    with pytest.raises(KeyError, match=r"catalog\.search"):
        lc.catalog["xyzzy"]


def test_words_are_found_wherever_they_stand() -> None:
    assert [entry.key for entry in lc.catalog.search("Barron")] == ["barron", "barron_adaptive"]
    assert {"weibull", "weibull_aft"} <= {entry.key for entry in lc.catalog.search("scipy.stats.weibull-min")}
    assert lc.catalog.search("xyzzy") == []
    assert len(lc.catalog.search("")) == len(lc.catalog)


def test_rows_for_a_listing_go_by_family() -> None:
    rows = lc.catalog.rows()
    assert [(row["family"], row["key"]) for row in rows] == sorted((row["family"], row["key"]) for row in rows)
    assert len(rows) == len(lc.catalog)
    assert {row["family"] for row in rows} == set(lc.catalog.families)
    (row,) = lc.catalog.rows("general and adaptive robust loss, general form")
    assert row == {"key": "barron", "family": "robust", "title": lc.catalog["barron"].title, "source": lc.catalog["barron"].source}


def test_opening_it_imports_nothing_heavy() -> None:
    code = "import losscompiler as lc, sys, json; lc.catalog['barron']; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"keras", "sympy", "numpy", "lark"} & set(json.loads(done.stdout))


def test_importing_it_does_not_read_it() -> None:
    code = "import losscompiler as lc, sys, json; lc.catalog; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tomllib" not in json.loads(done.stdout)


# --------------------------------------------------------------------------------------------------------- the entries
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_a_file_holds_complete_entries(file: Path) -> None:
    for key, fields in tomllib.loads(file.read_text(encoding="utf-8")).items():
        assert key.isidentifier()
        assert key.islower()
        assert set(fields) >= {"title", "source", "checked_against", "notes", "formula"}, key
        assert all(fields[name] for name in fields), key
        assert lc.catalog[key].family == file.stem


@pytest.mark.parametrize("key", lc.catalog)
def test_an_entry_compiles_and_its_names_are_all_declared_and_used(key: str) -> None:
    entry = lc.catalog[key]
    loss = lc.compile_loss(entry, findings="ignore", name=key)
    assert loss.formula == entry.formula
    assert not loss.graph.implicit, "parameters are declared"
    assert not loss.graph.unused_definitions
    assert not loss.graph.hazards
    codes = {finding.code for finding in loss.findings}
    assert "no-effect" not in codes
    assert "unbounded-below" not in codes or entry.unbounded_because, "say why in unbounded_because"


@pytest.mark.parametrize("key", lc.catalog)
def test_an_entry_shows_its_derivatives(key: str) -> None:
    loss = lc.compile_loss(lc.catalog[key], findings="ignore", name=key)
    assert str(loss.expression)
    assert all(str(loss.derivatives[name]) for name in (*loss.predictions, *loss.parameters))
    assert any(str(loss.derivatives[name]) != "0" for name in loss.predictions)


def test_the_same_formula_stands_once() -> None:
    formulas = [entry.formula for entry in lc.catalog.values()]
    assert len(set(formulas)) == len(formulas)


# -------------------------------------------------------------------------------------------------------- the coverage
def test_every_entry_is_compared_with_all_that_it_names() -> None:
    named = {(entry.key, name) for entry in lc.catalog.values() for name in entry.checked_against}
    assert {(case.key, case.against) for case in CASES} == named


def test_every_loss_of_keras_is_covered() -> None:
    classes = {name for name, found in vars(keras.losses).items() if inspect.isclass(found) and issubclass(found, keras.losses.Loss)}
    assert "Huber" in classes
    missing = {name for name in classes - KERAS_EXCEPTIONS if f"keras.losses.{name}" not in references()}
    assert not missing


def test_every_loss_of_torch_is_covered() -> None:
    assert not {name for name in TORCH_LOSSES if f"torch.nn.functional.{name}" not in references()}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_list_of_torch_losses_is_whole() -> None:
    import torch.nn.functional as functional

    found = {name for name in dir(functional) if name.endswith("_loss") or "cross_entropy" in name or name == "kl_div"}
    # A loss that a newer PyTorch adds must be added here; one that an older one lacks is no fault.
    assert found - TORCH_EXCEPTIONS <= TORCH_LOSSES


def test_twenty_likelihoods_of_scipy_are_covered() -> None:
    assert len({name for name in references() if name.startswith("scipy.stats.") and name.endswith(("logpdf", "logpmf"))}) >= 20
