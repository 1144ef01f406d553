"""A spec as TOML."""

from llmdyno.spec.spec import read_toml

__all__ = ["read_toml"]
