"""`cnvlutin2 rtl`: an organisation's hardware as Verilog, for a layer with images and a test bench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.command_options import SectionedCommand, option, with_options
from cnvlutin2.cli.cosim_command import ARCH_OPTIONS, VALUE_OPTIONS
from cnvlutin2.cli.networks import NETWORK_OPTIONS, networks_to_open, read_inputs
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.files import check_new_folder, write_folder
from cnvlutin2.hardware.chosen_layers import Choice, LayerImage, choose_layers
from cnvlutin2.hardware.cosimulation import check_buildable
from cnvlutin2.hardware.export import WRITTEN, design_files, layer_files
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.network.threshold_text import read_thresholds
from cnvlutin2.organisation import Organisation, load_organisations, with_overrides

_LAYER, _SIZES, _OUTPUT = "A layer to run on it", "Sizes that the organisation leaves open", "Output"
_SIZE_KEYS = ("window_runs", "nm_rows")


@click.command("rtl", cls=SectionedCommand)
@with_options(
    *ARCH_OPTIONS,
    option(_SIZES, "--window-runs", type=click.IntRange(1), metavar="N", help="Most runs of a lane in a window."),
    option(_SIZES, "--nm-rows", type=click.IntRange(0), metavar="N", help="Rows of a bank of NM; 0: runs come from outside."),
    option(
        *(_LAYER, "--layer"),
        metavar="NETWORK#LAYER",
        help="Write its memory images and a test bench too: a model, folder, bundled network or trace.",
    ),
    option(_LAYER, "--image", type=click.IntRange(0), default=0, show_default=True, help="Which of the inputs, counted from 0."),
    *VALUE_OPTIONS,
    *NETWORK_OPTIONS,
    option(_OUTPUT, "--output", "-o", metavar="DIR", required=True, help="A new folder, or an empty one."),
    option(_OUTPUT, "--force", is_flag=True, help="Replace files in a folder that is not empty."),
)
def rtl_command(archs: tuple[str, ...], overrides: tuple[str, ...], **options: Any) -> None:
    """Write the hardware of an organisation as synthesisable Verilog: node.v, whose header says what its ports mean.

    With a layer there are bench.v and images too: in the folder, `iverilog -g2005 *.v && vvp a.out` prints PASS or the first
    difference.

    \b
    Examples:
      cnvlutin2 rtl -a cnv2-weights -s tiles=2 -s filters_per_tile=4 -o hardware
      cnvlutin2 rtl -a cnv -s tiles=2 -s lanes=4 --layer digits#fc4 -o hardware
      cnvlutin2 rtl -a cnv --layer model.onnx#conv1 -i photo.jpg -o hardware
    """
    chosen = load_organisations(archs)
    if len(chosen) > 1:
        raise ConfigError(f"writes one organisation, not {len(chosen)}; run them one by one", source="--arch")
    organisation = with_overrides(chosen[0], overrides)
    sizes = {key: options[key] for key in (*_SIZE_KEYS, "fifo_depth")}
    check_buildable(organisation, **sizes)
    target = Path(options["output"])
    check_new_folder(target, force=options["force"], written=WRITTEN)
    if options["layer"] is None:
        _refuse_inputs(options)
        files = design_files(Parameters.of(organisation, **sizes))
    else:
        given = [key for key in _SIZE_KEYS if options[key] is not None]
        if given:
            raise ConfigError("is made to fit the layer; leave it out", source="--" + given[0].replace("_", "-"))
        files = layer_files(organisation, _chosen_layer(organisation, options), options["fifo_depth"])
    write_folder(target, files, WRITTEN)
    click.echo(f"Written to {target}: {', '.join(files)}", err=True)


def _refuse_inputs(options: dict[str, Any]) -> None:
    keys = ("inputs", "threshold", "weight_threshold", "quantised")
    given = next((key for key in keys if options[key] not in (None, (), False)), None)
    if given:
        flag = "--input" if given == "inputs" else "--" + given.replace("_", "-")
        raise ConfigError("is for a layer; name one with --layer", source=flag)


def _chosen_layer(organisation: Organisation, options: dict[str, Any]) -> LayerImage:
    """Return the layer that was named, with the image that it is to run on."""
    source, layer = _parted(options["layer"])
    (open_one,) = networks_to_open([source], options)
    network = open_one()
    names = list(network.layer_names())
    if layer is None and len(names) > 1:
        raise ConfigError(f"{source} has {len(names)} layers; name one, as {source}#{names[0]}", source="--layer")
    choice = Choice(
        (layer or names[0],),
        (options["image"],),
        read_thresholds(options["threshold"], "--threshold"),
        read_thresholds(options["weight_threshold"], "--weight-threshold"),
        options["quantised"],
    )
    with progress_bar(network.name):
        found = choose_layers(network, read_inputs(network, options), [organisation], choice).by_organisation[0]
    if not found:
        raise NetworkError(f"{source}: layer {layer!r} did not come")
    return found[0]


def _parted(given: str) -> tuple[str, str | None]:
    """Return the network and the layer; a file whose name has a # in it is a network."""
    if "#" not in given or Path(given).exists():
        return given, None
    source, _, layer = given.partition("#") if not Path(given.rpartition("#")[0]).exists() else given.rpartition("#")
    return source, layer
