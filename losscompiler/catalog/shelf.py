"""The catalogue as a mapping, read from its TOML files when it is first asked for something."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from types import ModuleType
from typing import Any, TypedDict

from losscompiler.catalog.entry import Entry
from losscompiler.errors import ArgumentError


class Row(TypedDict):
    """One line of a listing."""

    key: str
    family: str
    title: str
    source: str


class Catalog(ModuleType, Mapping[str, Entry]):
    """Published losses by key; iteration follows the alphabet.

    It is a module's class: the import system binds ``losscompiler.catalog`` to the module as soon as anything imports it, so
    that a mapping beside the module under the same name would be there or not depending on what was imported before.
    """

    # Tables of modules need the hash; a module is what it is, not what it holds.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        # Imported here: most uses of the package never open the catalogue.
        import tomllib

        found: dict[str, Entry] = {}
        for file in resources.files("losscompiler.catalog").iterdir():
            family, _, ending = file.name.rpartition(".")
            if ending != "toml":
                continue
            for key, fields in tomllib.loads(file.read_text(encoding="utf-8")).items():
                if key in found:
                    raise ArgumentError(f"the catalogue holds '{key}' twice, in {found[key].family}.toml and in {file.name}.")
                found[key] = _entry(key, family, fields)
        return dict(sorted(found.items()))

    def __getitem__(self, key: str) -> Entry:
        """Return an entry.

        Raises:
            KeyError: if there is none; the message names the nearest key.
        """
        entry = self._entries.get(key)
        if entry is None:
            raise KeyError(self._unknown(key))
        return entry

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<catalog of {len(self)} losses: {', '.join(self.families)}>"

    @property
    def families(self) -> tuple[str, ...]:
        """The groups of entries, in the order of the alphabet."""
        return tuple(sorted({entry.family for entry in self.values()}))

    def search(self, word: str) -> list[Entry]:
        """Return the entries that a word occurs in: in key, title, family, source, notes or what it is checked against.

        Case does not matter, nor whether blanks, hyphens or underscores part words; an empty word finds every entry.
        """
        wanted = _plain(word)
        return [
            entry
            for entry in self.values()
            if wanted in _plain(" ".join((entry.key, entry.title, entry.family, entry.source, entry.notes, *entry.checked_against)))
        ]

    def rows(self, word: str = "") -> list[Row]:
        """Return what a listing shows of the entries that a word finds, by family and key."""
        entries = sorted(self.search(word), key=lambda entry: (entry.family, entry.key))
        return [Row(key=entry.key, family=entry.family, title=entry.title, source=entry.source) for entry in entries]

    def _unknown(self, key: object) -> str:
        near = difflib.get_close_matches(str(key).lower(), self._entries, n=1, cutoff=0.5)
        # A word such as "dpo loss" is near nothing but may occur in an entry.
        found = near or [entry.key for entry in self.search(str(key))[:1]]
        hint = f"Did you mean '{found[0]}'?" if found else "losscompiler.catalog.search(word) finds entries."
        return f"there is no loss '{key}' in the catalogue. {hint}"


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("-", " ").replace("_", " ").split())


def _entry(key: str, family: str, fields: dict[str, Any]) -> Entry:
    fields = {**fields, "checked_against": tuple(fields["checked_against"]), "formula": fields["formula"].strip()}
    return Entry(key=key, family=family, **fields)
