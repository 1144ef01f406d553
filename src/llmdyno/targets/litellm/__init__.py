"""``--api litellm``: any model string of LiteLLM. Our own sockets send the requests if that works.

:mod:`target` is the target. :mod:`library` is LiteLLM, imported only when it is used. :mod:`transport` sends through
our sockets or through the library, and :mod:`trial` decides which.
"""

from llmdyno.targets.litellm.target import late_reader, open_target, preflight, resolve, service, url

__all__ = ["late_reader", "open_target", "preflight", "resolve", "service", "url"]
