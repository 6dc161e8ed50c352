"""The command group: loads a command when it is called, and turns errors into one line."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

import click

from cnvlutin2.errors import Cnvlutin2Error, Cnvlutin2Warning, VerificationError, one_line

COMMANDS = {
    "run": ("cnvlutin2.cli.run_command:run_command", "Count the cycles of a network on accelerators."),
    "sweep": ("cnvlutin2.cli.sweep_command:sweep_command", "Compute many points of a design space into a folder."),
    "tune": ("cnvlutin2.cli.tune_command:tune_command", "Find thresholds that gain most for what they cost in accuracy."),
    "report": ("cnvlutin2.cli.results_commands:report_command", "Write the page of results that were written as JSON."),
    "figures": ("cnvlutin2.cli.results_commands:figures_command", "Draw figures of results that were written as JSON."),
    "compare": ("cnvlutin2.cli.results_commands:compare_command", "Compare two results that were written as JSON."),
    "reproduce": ("cnvlutin2.cli.reproduce_command:reproduce_command", "Print published figures beside computed ones."),
    "cosim": ("cnvlutin2.cli.cosim_command:cosim_command", "Run a network's layers through the hardware, cycle for cycle."),
    "rtl": ("cnvlutin2.cli.rtl_command:rtl_command", "Write the hardware of an organisation as Verilog."),
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
EXIT_SIGNAL = 128
"""To which a signal's number is added."""


class _EndedBySignal(BaseException):
    """The program was told to end; like KeyboardInterrupt, nothing that handles errors handles it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


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
        _take_any_text()
        debug = "--debug" in (kwargs.get("args") or (args[0] if args else None) or sys.argv[1:])
        kwargs["standalone_mode"] = False
        try:
            with _ended_in_order():
                code = super().main(*args, **kwargs) or 0
                sys.stdout.flush()
            sys.exit(code)
        except click.Abort as error:
            if isinstance(error.__cause__, EOFError):  # click takes it for the end of what somebody types
                raise error.__cause__ from None
            _fail("interrupted", EXIT_INTERRUPTED)
        except _EndedBySignal as ended:
            _fail(f"ended by {signal.Signals(ended.number).name}", EXIT_SIGNAL + ended.number)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "cnvlutin2"
            _fail(f"{error.format_message().rstrip('.')}; see '{where} --help'", EXIT_BAD_INPUT)
        except (Cnvlutin2Error, MemoryError) as error:
            if debug:
                raise
            _fail(message_of(error), EXIT_VERIFICATION if isinstance(error, VerificationError) else EXIT_BAD_INPUT)
        except BrokenPipeError:
            # Who read the output has enough of it; nothing more can be written, not even on the way out.
            sys.stdout = sys.stderr = io.StringIO()
            sys.exit(EXIT_BROKEN_PIPE)
        except OSError as error:
            if debug:
                raise
            _fail(message_of(error), EXIT_BAD_INPUT)


def message_of(error: Exception) -> str:
    """Return what the line says of an error."""
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer images (--limit) or a smaller network"
    if isinstance(error, OSError) and not isinstance(error, Cnvlutin2Error):
        return f"{error.filename or 'cannot write the output'}: {error.strerror or error}"
    return str(error)


def say(kind: str, message: str) -> None:
    """Print a line on stderr, if anybody is there to read it."""
    with contextlib.suppress(OSError):
        click.echo(f"cnvlutin2: {kind}: {one_line(message)}", err=True)


def _fail(message: str, code: int) -> NoReturn:
    say("error", message)
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = io.StringIO()  # what it still holds cannot be written on the way out either
    sys.exit(code)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say("warning", str(message))


def _take_any_text() -> None:
    """Have characters replaced that the terminal's or the pipe's encoding lacks; and output that the shell closed dropped."""
    if sys.stdout is None:
        sys.stdout = io.StringIO()
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Have what batch systems and closed terminals send end the program as Ctrl-C does: nothing half-written stays."""

    def end(number: int, _frame: object) -> NoReturn:
        for each in set_here:
            signal.signal(each, signal.SIG_IGN)  # it is ending
        raise _EndedBySignal(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored stays so, as under nohup. Only the main thread may say what is to happen.
    here = threading.current_thread() is threading.main_thread()
    set_here = [number for number in numbers if here and signal.getsignal(number) == signal.SIG_DFL]
    for number in set_here:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in set_here:
            signal.signal(number, signal.SIG_DFL)


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
      cnvlutin2 sweep digits --grid lanes=4,8,16 -o lanes
      cnvlutin2 archs                            what can be simulated
      cnvlutin2 formats model.onnx -i photo.jpg  what the encodings cost

    Results go to stdout, all else to stderr.

    \b
    Exit codes:
      0    done
      1    whoever read the output stopped reading
      2    the command or its input is wrong, or an output could not be written
      3    --verify failed, or hardware differs
      4    compare --exit-code found a difference
      130  interrupted (Ctrl-C); 143 and 129: ended by SIGTERM and SIGHUP
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Run the command line."""
    group.main(prog_name="cnvlutin2")
