"""The normative grammar, its reference and its conformance cases, as package data."""
