"""What an engine knows: which values of the parameters that concern cycles. What it does not know it does not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnvlutin2.errors import ConfigError
from cnvlutin2.organisation import Organisation

Knows = Callable[[object], bool]
"""Whether a value of a parameter is known."""


def any_value(_: object) -> bool:
    """Know every value that an organisation may have."""
    return True


def one_of(*values: object) -> Knows:
    """Know some values."""
    return lambda value: value in values


def whole_number(value: object) -> bool:
    """Know whole numbers."""
    return isinstance(value, int) and not isinstance(value, bool)


def either(*known: Knows) -> Knows:
    """Know what one of several knows."""
    return lambda value: any(knows(value) for knows in known)


def unknown_options(organisation: Organisation, known: Mapping[str, Knows]) -> tuple[str, ...]:
    """Return the parameters that concern cycles and have a value which is not known, as ``key=value``.

    A parameter that `known` does not name is known at its default, which leaves everything as it is without it.
    """
    fields = type(organisation).model_fields
    found = []
    for key in type(organisation).concerning("timing"):
        value = getattr(organisation, key)
        knows = known.get(key)
        if not (knows(value) if knows is not None else value == fields[key].default):
            found.append(f"{key}={value}")
    return tuple(found)


def refuse(engine: str, organisation: Organisation, unknown: tuple[str, ...]) -> None:
    """Refuse an organisation that an engine does not know.

    Raises
    ------
    ConfigError
        Names the engine and what it does not know.
    """
    if unknown:
        raise ConfigError(f"the {engine} engine does not know {', '.join(unknown)}", source=organisation.name)
