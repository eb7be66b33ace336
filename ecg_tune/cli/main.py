"""`ecg-tune`: list the commands, run one, and turn every error into one line and an exit code.

Exit codes: 0 done, 1 the work failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import errno
import gc
import importlib
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Annotated, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup

from ecg_tune import __version__
from ecg_tune.cli.help import GroupedCommand
from ecg_tune.cli.output import exit_code, patient_streams
from ecg_tune.cluster.loopback import bypass_proxies
from ecg_tune.config.formats import DATA, MODEL_FILE, STUDY
from ecg_tune.config.known_servers import name_server
from ecg_tune.errors import ConfigError, EcgTuneError, StoppedError, UnknownServerError, UsageError
from ecg_tune.search.interrupts import terminate_as_interrupt

LONGEST, LONGEST_OF_A_SETTING, LONGEST_WORD = 600, 290, 160
"""Characters of an error's message. A setting may hold anything: of that, and of a word that long, a part is shown."""
MACHINE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EMFILE, errno.ENFILE)
"""What is not the user's input: a disk that is full, read-only, broken or gone, and too many open files."""
RESUMING = ("demo", "data download", "data teach", "search", "retrain")
"""Commands that go on where they were interrupted; all others write a thing whole or not at all, and begin anew."""


@dataclass(frozen=True)
class LazyCommand:
    """A command whose module is imported when it is run or asked for its own help.

    Attributes:
        target: Module and function (or `typer.Typer` of a group). The module's `EXAMPLE` ends the command's help.
        help: The command's line in `ecg-tune --help`: the first line of the function's docstring, which a test compares.
        hidden: Leave the command out of `ecg-tune --help`.
    """

    target: str
    help: str
    hidden: bool = False


COMMANDS: Mapping[str, LazyCommand] = {
    "demo": LazyCommand("ecg_tune.cli.demo:demo", "Run the whole path on synthetic records, in minutes."),
    "data": LazyCommand("ecg_tune.cli.data:app", "Make, download, prepare and describe data sets."),
    "train": LazyCommand("ecg_tune.cli.train:train", "Train one model with one set of hyper-parameters, without a search."),
    "models": LazyCommand("ecg_tune.cli.models:models", "List the model families with their sizes and, on request, measured times."),
    "preview": LazyCommand("ecg_tune.cli.preview:preview", "Estimate what a search will cost before you start it."),
    "search": LazyCommand("ecg_tune.cli.search:search", "Search hyper-parameters, or resume a search."),
    "submit": LazyCommand("ecg_tune.cli.submit:submit", "Run a search on a cluster, as a Ray job."),
    "status": LazyCommand("ecg_tune.cli.status:status", "Show how far a study is: trials by state, rungs, failures, best config."),
    "dashboard": LazyCommand("ecg_tune.cli.dashboard:dashboard", "Write a study as one HTML page, or serve live pages."),
    "enqueue": LazyCommand("ecg_tune.cli.enqueue:enqueue", "Add configurations to a study that are tried before anything else is sampled."),
    "discard": LazyCommand("ecg_tune.cli.discard:discard", "Take a finished trial out of a study, or let it count again."),
    "note": LazyCommand("ecg_tune.cli.note:note", "Keep a note and tags on a study, or on one of its trials."),
    "retrain": LazyCommand("ecg_tune.cli.retrain:retrain", "Retrain the best trials of a study with several seeds."),
    "evaluate": LazyCommand("ecg_tune.cli.evaluate:evaluate", "Open the sealed test split once and write the evaluation report."),
    "compare": LazyCommand("ecg_tune.cli.compare:compare", "Compare two evaluations of the same test records."),
    "predict": LazyCommand("ecg_tune.cli.predict:predict", "Predict your own recordings with a trained model."),
    "export-onnx": LazyCommand(
        "ecg_tune.cli.export_onnx:export_onnx",
        "Write a trained model or an ensemble as one ONNX file, from raw millivolts to probabilities.",
    ),
    "doctor": LazyCommand("ecg_tune.cli.doctor:doctor", "Check whether a cluster is fit for a search."),
    "pull": LazyCommand("ecg_tune.cli.pull:pull", "Copy a study from a cluster to this machine."),
    "templates": LazyCommand("ecg_tune.cli.templates:templates", "Write cluster files and example settings to edit."),
    "pack": LazyCommand("ecg_tune.cli.pull:pack", "Print a folder as text, for commands that copy files from a cluster.", hidden=True),
}


class LoadedCommands(Mapping[str, Any]):
    """The commands of `COMMANDS` by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module_name, _, attribute = COMMANDS[name].target.partition(":")
        module = _imported(module_name)
        found = getattr(module, attribute)
        if not isinstance(found, typer.Typer):
            found, function = typer.Typer(add_completion=False, rich_markup_mode=None), found
            found.command(name, cls=GroupedCommand, epilog=getattr(module, "EXAMPLE", None), hidden=COMMANDS[name].hidden)(function)
        command = typer.main.get_command(found)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _imported(name: str) -> ModuleType:
    """Import a module without looking for garbage meanwhile: torch and Ray are a million objects that stay, a tenth of the time."""
    if name in sys.modules or not gc.isenabled():
        return importlib.import_module(name)
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


class Commands(TyperGroup):
    """The group of all commands. It lists them without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LoadedCommands()  # type: ignore[assignment]  # typer only reads it

    def list_commands(self, ctx: Any) -> list[str]:
        """List the names of all commands, in the order of `ecg-tune --help`."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from `COMMANDS`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items() if not command.hidden])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the names of commands without importing them."""
        if incomplete.startswith("-"):
            return list(super().shell_complete(ctx, incomplete))
        return [
            CompletionItem(name, help=COMMANDS[name].help) for name in COMMANDS if name.startswith(incomplete) and not COMMANDS[name].hidden
        ]

    def invoke(self, ctx: Any) -> Any:
        """Run one command; typer itself would end an interrupted one without a message, and take the end of a file for an interrupt.

        Raises:
            StoppedError: The user interrupted it.
            UsageError: A file that it reads ended too early.
        """
        words = [*ctx._protected_args, *ctx.args]  # of a group, the command itself is the second one
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise StoppedError(interrupted(words)) from error
        except EOFError as error:
            raise UsageError(f"a file that was read is cut off ({error}): copy it again, or make it again") from error


def interrupted(words: Sequence[str] = ()) -> str:
    """Say what the same command will do after an interruption.

    Args:
        words: The command's line; none when no command had begun.
    """
    resumes = any(list(words[: len(name.split())]) == name.split() for name in RESUMING)
    next_time = "keeps what is finished and does the rest" if resumes else "starts from the beginning"
    if list(words[:1]) == ["evaluate"]:
        next_time += "; if it had opened the test split, the ledger says so, and opening it again will be one more"
    return f"interrupted; the same command again {next_time}"


def _print_version(wanted: bool) -> None:
    """Print what a bug report and a paper need; nothing of it is imported."""
    if wanted:
        packages = [f"{name} {_installed(name)}" for name in ("ray", "optuna", "torch")]
        formats = {"prepared data": DATA, "study": STUDY, "model file": MODEL_FILE}
        print(f"ecg-tune {__version__}, {', '.join(packages)}, Python {platform.python_version()}")
        print(f"formats: {', '.join(f'{name} {number}' for name, number in formats.items())}")
        raise typer.Exit()


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


app = typer.Typer(
    name="ecg-tune",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def ecg_tune(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the versions of all that counts and exit.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Search, retrain and honestly report multi-modal ECG classifiers on PTB-XL. Start with `ecg-tune demo`.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or input (one line says what, where and the remedy), 130 interrupted.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Without the program's name; None takes the process's own.
    """
    bypass_proxies()
    try:
        code = app(args=arguments, prog_name="ecg-tune", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        message = str(getattr(error, "format_message", error.__str__)())
        if "\n" in message:  # a group without a command answers with its help
            print(message)
            return 2
        where = getattr(getattr(error, "ctx", None), "command_path", None) or "ecg-tune"
        return _say(f"{message.rstrip('.')} (see `{where} --help`)", 2)
    except UnknownServerError as error:
        return _ask(error, arguments)
    except ConfigError as error:
        return _say(str(error), 2, longest=LONGEST_OF_A_SETTING)
    except UsageError as error:
        return _say(str(error), 2)
    except OSError as error:
        thing = error.filename or "the disk"
        if error.errno in MACHINE_FAULTS:
            return _say(f"{thing}: {error.strerror}: put that right, then run the same command again", 1)
        if error.filename is None:
            raise
        return _say(f"{thing}: {error.strerror}: give a folder that can be written", 2)
    except MemoryError:
        return _say("memory ran out: a file may be larger than it should be, or other programs leave too little", 1)
    except StoppedError as error:
        return _say(str(error), 130)
    except EcgTuneError as error:
        return _say(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return _say(interrupted(), 130)


def _ask(error: UnknownServerError, arguments: list[str] | None) -> int:
    """Ask whether a database may be used, and run the command again if so; where nobody can answer, it may not."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return _say(str(error), 2)
    print(f"The study's folder names a database that is new here:\n  {error.address}", file=sys.stderr)
    print("Use it, and remember it? [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        return _say(interrupted(), 130)
    if answer.strip().lower() not in ("y", "yes"):
        return _say(str(error), 2)
    name_server(error.address)
    return run(arguments)


def _say(message: str, code: int, *, longest: int = LONGEST) -> int:
    print(f"ecg-tune: {one_line(message, longest)}", file=sys.stderr)
    return code


def one_line(message: str, longest: int) -> str:
    """Write a message as one line that a terminal shows as it is; of a long one the middle is left out, its end says what to do."""
    printable = "".join(char if char.isprintable() else " " for char in message)
    line = " ".join(word if len(word) <= LONGEST_WORD else f"{word[:60]}…{word[-60:]}" for word in printable.split())
    return line if len(line) <= longest else f"{line[: longest // 2]} … {line[3 - longest // 2 :]}"


def main() -> None:
    """Run `ecg-tune` as the console script."""
    streams = patient_streams()
    with terminate_as_interrupt():
        code = run()
    sys.exit(exit_code(code, streams))
