"""The run directory: these modules are the only ones that read and write it.

In: a spec, the environment, and each record when its request ends. Out: the files of the directory, written while the
run goes on; later, the whole run, read back from these files alone. No figure is defined here.
"""
