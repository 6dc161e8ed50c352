"""Run benchmarks: ``python -m benchmarks [NAME]...``, all by default."""

from __future__ import annotations

import argparse
from importlib import import_module

NAMES = ("inference", "whole", "kernel", "growth", "memory", "resident", "start", "encodings")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}")
    names = parser.parse_args().names or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"no benchmark is called {name!r}; there are {', '.join(NAMES)}")
        print(f"== {name} ==", flush=True)
        import_module(f"benchmarks.{name}").main()
        print(flush=True)


if __name__ == "__main__":
    main()
