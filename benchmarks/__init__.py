"""Measures llmdyno itself: its error against a server that records true times, and its cost."""
