"""LiteLLM: any of its model strings, driven by our own sockets where that works."""
