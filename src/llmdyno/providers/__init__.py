"""Other people's client libraries, each imported in one module and only where it was asked for.

In: a model as the library names it, its parameters. Out: requests that the library would send, streams that it
gives, its errors in our words. It opens no socket of its own and stamps nothing.
"""
