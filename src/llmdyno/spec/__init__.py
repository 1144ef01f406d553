"""What was asked: typed keys, their readers, loads, distributions, TOML. PURE.

In: flags, a TOML file, Python values. Out: one frozen :class:`~llmdyno.spec.spec.Spec`. This folder opens no
connection, draws nothing and never writes a secret.
"""
