"""The command group: loads a command when it is called, and turns errors into one line."""

from __future__ import annotations

import io
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

import click

from cnvlutin2.errors import Cnvlutin2Error, Cnvlutin2Warning, VerificationError, one_line

COMMANDS = {
    "run": ("cnvlutin2.cli.run_command:run_command", "Count the cycles of a network on accelerators."),
    "reproduce": ("cnvlutin2.cli.reproduce_command:reproduce_command", "Print published figures beside computed ones."),
    "archs": ("cnvlutin2.cli.archs_command:archs_command", "List the organisations, or print one as YAML."),
    "formats": ("cnvlutin2.cli.formats_command:formats_command", "Compare what the encodings cost on a network's activations."),
    "encode": ("cnvlutin2.cli.container_commands:encode_command", "Encode an array into a container."),
    "decode": ("cnvlutin2.cli.container_commands:decode_command", "Decode a container into an array."),
    "inspect": ("cnvlutin2.cli.container_commands:inspect_command", "Say what a container holds."),
}

EXIT_BAD_INPUT = 2
EXIT_VERIFICATION = 3
EXIT_BROKEN_PIPE = 1
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of importance."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line; an error of the user's is one line on stderr and exit code 2."""
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", Cnvlutin2Warning)  # of every network, whatever the environment says of warnings
        if sys.stdout is None:  # the shell closed it
            sys.stdout = io.StringIO()
        debug = "--debug" in (kwargs.get("args") or (args[0] if args else None) or sys.argv[1:])
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs) or 0
            sys.stdout.flush()
            sys.exit(code)
        except click.Abort:
            _fail("interrupted", EXIT_INTERRUPTED)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "cnvlutin2"
            _fail(f"{error.format_message().rstrip('.')}; see '{where} --help'", EXIT_BAD_INPUT)
        except Cnvlutin2Error as error:
            if debug:
                raise
            _fail(str(error), EXIT_VERIFICATION if isinstance(error, VerificationError) else EXIT_BAD_INPUT)
        except MemoryError:
            _fail("not enough memory; use fewer images (--limit) or a smaller network", EXIT_BAD_INPUT)
        except BrokenPipeError:
            # Who read the output has enough of it; nothing more can be written, not even on the way out.
            sys.stdout = sys.stderr = io.StringIO()
            sys.exit(EXIT_BROKEN_PIPE)
        except OSError as error:
            if debug:
                raise
            sys.stdout = io.StringIO()  # what it still holds could not be written on the way out either
            _fail(f"{error.filename or 'cannot write the output'}: {error.strerror or error}", EXIT_BAD_INPUT)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"cnvlutin2: error: {one_line(message)}", err=True)
    sys.exit(code)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"cnvlutin2: warning: {one_line(str(message))}", err=True)


@click.group(
    cls=LazyGroup, no_args_is_help=False, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(version("cnvlutin2"), prog_name="cnvlutin2")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(ctx: click.Context, debug: bool) -> None:
    """Exact cycles, encodings, traffic and energy of the Cnvlutin2 zero-skipping accelerators, from real networks.

    \b
    Examples:
      cnvlutin2 run                              the bundled networks and images
      cnvlutin2 run model.onnx -i photo.jpg      your network, your input
      cnvlutin2 run vgg19 --weight-density 0.3 --arch cnv2-weights
      cnvlutin2 archs                            what can be simulated
      cnvlutin2 formats model.onnx -i photo.jpg  what the encodings cost

    Results go to stdout, all else to stderr. Exit codes: 0 done, 2 the command or its input is wrong, 3 --verify failed.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Run the command line."""
    group.main(prog_name="cnvlutin2")
