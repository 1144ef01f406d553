"""Targets: which endpoint a spec means. One module for each value of ``--api``.

:mod:`target` is the contract of such a module. To add an API, add a module here. The list of modules in this folder is
the list of APIs.
"""
