"""The emulator: our local stand-in for a deployment, labelled as emulated wherever it shows.

In: requests on the wire. Out: answers on the wire, at moments that a pure model decides, and the truth
about them at ``/truth``. It shares no code with the client's engine or decoders, so that the two cannot
agree on a mistake.
"""
