"""The formats by name: every module of `cnvlutin2.encodings.formats` brings one."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil

from cnvlutin2.encodings import formats
from cnvlutin2.encodings.base import Format
from cnvlutin2.errors import ConfigError


@functools.cache
def all_formats() -> dict[str, Format]:
    """Return the formats by name, in the order of their `rank`."""
    found: dict[str, Format] = {}
    for info in pkgutil.iter_modules(formats.__path__, f"{formats.__name__}."):
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if (
                inspect.isclass(kind)
                and issubclass(kind, Format)
                and kind.__module__ == info.name
                and not inspect.isabstract(kind)
            ):
                if kind.name in found:
                    raise ConfigError(f"two formats are called {kind.name!r}; rename one", source=info.name)
                found[kind.name] = kind()
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def format_names() -> list[str]:
    """Return the names of the formats."""
    return list(all_formats())


def get_format(name: str) -> Format:
    """Return a format by name.

    Raises
    ------
    ConfigError
        Lists the names if there is no such format.
    """
    try:
        return all_formats()[name]
    except KeyError:
        raise ConfigError(f"there is no format {name!r}; the formats are {', '.join(format_names())}", where="format") from None
