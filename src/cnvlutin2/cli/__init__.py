"""The command line: parse, call, print."""

from cnvlutin2.cli.main import main

__all__ = ["main"]
