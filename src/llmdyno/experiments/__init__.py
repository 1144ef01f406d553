"""Experiments: the questions that commands answer. One module for each question.

:mod:`experiment` is the contract. An experiment plans a run, and makes a report from the finished run.
"""
