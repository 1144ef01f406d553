"""Results: the only reader and writer of a run directory.

In: a spec, the environment, records as they end. Out: the directory's files, written as the run goes
on; later, a whole run read back from them alone. No figure is defined here.
"""
