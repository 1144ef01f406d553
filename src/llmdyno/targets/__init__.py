"""Which endpoint a spec means: one module for each value of ``--api``.

A module here defines ``resolve``, ``preflight`` and ``open_target``; :mod:`target` is the contract. The folder's
listing is the list of APIs.
"""
