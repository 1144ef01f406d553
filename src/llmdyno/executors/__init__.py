"""Executors: where the load is driven from. One module for each way; :mod:`executor` is the contract."""
