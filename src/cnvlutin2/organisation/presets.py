"""Presets, YAML files and `--set` overrides: the ways to an `Organisation`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from ruamel.yaml import YAML

from cnvlutin2.errors import ConfigError, did_you_mean, short
from cnvlutin2.organisation.organisation import Organisation
from cnvlutin2.yaml_text import UNREADABLE, parse_mapping, read_mapping

_WHAT = "organisation"
_ORDER = (
    "dadiannao",
    "cnv",
    "cnv-roe",
    "cnv-viai",
    "cnv-packed",
    "cnv2-dispatch",
    "cnv2-weights-shared",
    "cnv2-weights",
    "cnv2-weights-drift",
)


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, the baseline first; a preset is a YAML file in this package's `presets` folder."""
    found = {p.name.removesuffix(".yaml") for p in resources.files(__package__).joinpath("presets").iterdir()}
    found = {name for name in found if not name.startswith("__")}
    return tuple(n for n in _ORDER if n in found) + tuple(sorted(found.difference(_ORDER)))


@cache
def preset(name: str) -> Organisation:
    """Return a preset by name.

    Raises
    ------
    ConfigError
        If there is no such preset; the message lists them.
    """
    if name not in preset_names():
        near = did_you_mean(name, preset_names())
        raise ConfigError(
            f"unknown organisation {name!r}; the presets are {', '.join(preset_names())}, or give a YAML file{near}"
        )
    text = resources.files(__package__).joinpath("presets", f"{name}.yaml").read_text("utf-8")
    return Organisation.parse({"name": name, **parse_mapping(text, _WHAT, f"preset {name}")}, source=f"preset {name}")


def load_organisations(spec: str | Path | Organisation | Iterable[str | Path | Organisation]) -> list[Organisation]:
    """Turn names, comma lists, YAML files and objects into organisations.

    Parameters
    ----------
    spec : str, Path, Organisation, or several of them
        ``"cnv,cnv2-weights"``, ``"mine.yaml"``, ``"all"`` for every preset.

    Returns
    -------
    list of Organisation
        In the order given, each name once.

    Raises
    ------
    ConfigError
        For an unknown name, an unreadable file, or two different organisations of one name.
    """
    items = [spec] if isinstance(spec, (str, Path, Organisation)) or not isinstance(spec, Iterable) else list(spec)
    out: dict[str, Organisation] = {}
    for item in items:
        for organisation in _load(item):
            if out.setdefault(organisation.name, organisation) != organisation:
                raise ConfigError(f"two different organisations are called {organisation.name!r}; give one another name")
    if not out:
        raise ConfigError("no organisation given; name at least one", where="arch")
    return list(out.values())


def _load(item: str | Path | Organisation) -> list[Organisation]:
    if isinstance(item, Organisation):
        return [item]
    if isinstance(item, Path):
        return [_from_file(item)]
    if not isinstance(item, str):
        raise ConfigError(
            f"{short(item)} is no organisation; give a preset's name, a YAML file or an Organisation", where="organisations"
        )
    out = []
    for part in filter(None, (p.strip() for p in item.split(","))):
        if part == "all":
            out += [preset(name) for name in preset_names()]
        elif part.endswith((".yaml", ".yml")):
            out.append(_from_file(Path(part)))
        else:
            out.append(preset(part))
    return out


def with_overrides(organisation: Organisation, overrides: Mapping[str, object] | Iterable[str]) -> Organisation:
    """Return a copy with some parameters replaced, validated.

    Parameters
    ----------
    organisation : Organisation
    overrides : mapping or iterable of str
        ``{"tiles": 8}`` or ``["tiles=8", "layer_mode.conv1=dense"]``; a value is read as YAML.

    Raises
    ------
    ConfigError
        Names the key and what is allowed.
    """
    pairs = overrides.items() if isinstance(overrides, Mapping) else [_key_value(text) for text in overrides]
    values = organisation.model_dump()
    for key, value in pairs:
        head, dot, rest = key.partition(".")
        if not dot:
            values[head] = value
            continue
        if head != "layer_mode":
            raise ConfigError(f"{head!r} has no parts; write {head}=VALUE", where=key, source="--set")
        old = values[head]
        values[head] = {**(old if isinstance(old, dict) else {"default": old}), rest: value}
    return type(organisation).parse(values, source="--set")


def _key_value(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"cannot read {text!r}: write KEY=VALUE", source="--set")
    try:
        return key.strip(), _yaml().load(value)
    except UNREADABLE:
        raise ConfigError(
            f"cannot read the value {short(value)}: write KEY=VALUE with a plain value", where=key.strip(), source="--set"
        ) from None


def _from_file(path: Path) -> Organisation:
    values = read_mapping(path, _WHAT)
    base = values.pop("base", None)
    if base is None:
        return Organisation.parse({"name": path.stem, **values}, source=str(path))
    if not isinstance(base, str) or base not in preset_names():
        known = f"{short(base)} is not a preset; one of {', '.join(preset_names())}{did_you_mean(base, preset_names())}"
        raise ConfigError(known, where="base", source=str(path))
    inherited = {k: v for k, v in preset(base).model_dump().items() if k not in ("name", "description")}
    return Organisation.parse({**inherited, "name": path.stem, **values}, source=str(path))


def to_yaml(organisation: Organisation) -> str:
    """Return an organisation as YAML with every parameter, readable back as a file."""
    out = io.StringIO()
    yaml = _yaml()
    yaml.dump(organisation.model_dump(), out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    return yaml
