"""What a command asks of an endpoint: one file a question.

:mod:`experiment` is the contract. An experiment plans a run and draws its conclusion from it.
"""
