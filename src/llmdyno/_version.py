"""The version, alone in its file so that the build and `--version` read it without importing the package's rooms."""

__version__ = "0.1.0.dev0"
