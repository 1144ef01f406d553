"""The tool measured: how far off it is against a server that keeps the truth, and what it costs."""
