"""The command line: parse, call, print; no logic."""

from editalk.cli.run import app, main

__all__ = ["app", "main"]
