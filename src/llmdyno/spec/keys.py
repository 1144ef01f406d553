"""The table of keys."""

from llmdyno.spec.spec import KEYS, flag_name, key_label, read_value

__all__ = ["KEYS", "flag_name", "key_label", "read_value"]
