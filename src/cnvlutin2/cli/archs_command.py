"""`cnvlutin2 archs`: what can be simulated."""

from __future__ import annotations

import json

import click

from cnvlutin2.organisation import load_organisations, preset, preset_names, to_yaml, with_overrides


@click.command("archs")
@click.argument("name", required=False)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def archs_command(name: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """List the organisations; with NAME (or a YAML file), print one as YAML with all its parameters.

    \b
    Examples:
      cnvlutin2 archs
      cnvlutin2 archs cnv2-weights > mine.yaml      # a start for your own
      cnvlutin2 archs cnv --set tiles=8
    """
    if name is None:
        if as_json:
            click.echo(json.dumps({n: preset(n).model_dump() for n in preset_names()}, indent=1))
            return
        width = max(map(len, preset_names()))
        for each in preset_names():
            click.echo(f"{each:<{width}}  {preset(each).description}")
        return
    for organisation in load_organisations(name):
        changed = with_overrides(organisation, overrides)
        click.echo(json.dumps(changed.model_dump(), indent=1) if as_json else to_yaml(changed), nl=as_json)
