"""What was asked: typed keys, their readers, loads, length distributions, TOML. PURE.

In: flags, the text of a TOML file, Python values. Out: one frozen :class:`~llmdyno.spec.spec.Spec`. This folder opens
no file and no connection, draws nothing and never writes a secret.
"""
