"""The emulator: a local deployment whose every answer is labelled as emulated.

In: requests on the wire. Out: answers on the wire, at times that a pure model decides, and the truth about them at
``/truth``. It shares no code with the client that measures it, not even a token count, so that the two cannot make the
same mistake.
"""
