"""`ecg-tune`: gathers the commands and turns every error into one line and an exit code.

Exit codes: 0 done, 1 the work failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ecg_tune.cli import dashboard, data, demo, doctor, evaluate, models, preview, pull, retrain, search, status, submit, train
from ecg_tune.errors import EcgTuneError, StoppedError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
INTERRUPTED = "interrupted; the same command again goes on with what is finished"


class Commands(TyperGroup):
    """The commands; typer itself ends an interrupted one without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run one command.

        Raises:
            StoppedError: The user interrupted it.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise StoppedError(INTERRUPTED) from error


app = typer.Typer(
    name="ecg-tune",
    cls=Commands,
    help="Search, retrain and honestly report multi-modal ECG classifiers on PTB-XL. Start with `ecg-tune demo`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("models", epilog=models.EXAMPLE)(models.models)
app.command("search", epilog=search.EXAMPLE)(search.search)
app.command("submit", epilog=submit.EXAMPLE)(submit.submit)
app.command("preview", epilog=preview.EXAMPLE)(preview.preview)
app.command("status", epilog=status.EXAMPLE)(status.status)
app.command("dashboard", epilog=dashboard.EXAMPLE)(dashboard.dashboard)
app.command("retrain", epilog=retrain.EXAMPLE)(retrain.retrain)
app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("pull", epilog=pull.EXAMPLE)(pull.pull)
app.command("pack", hidden=True)(pull.pack)
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Without the program's name; None takes the process's own.
    """
    try:
        code = app(args=arguments, prog_name="ecg-tune", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        message = str(getattr(error, "format_message", error.__str__)())
        if "\n" in message:  # a group without a command answers with its help
            print(message)
            return 2
        return _say(f"{message.rstrip('.')} (see `ecg-tune --help`)", 2)
    except UsageError as error:
        return _say(str(error), 2)
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        return _say(f"{error.filename or 'the disk'}: {error.strerror}: give a folder that can be written", 2)
    except StoppedError as error:
        return _say(str(error), 130)
    except EcgTuneError as error:
        return _say(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return _say(INTERRUPTED, 130)


def _say(message: str, code: int) -> int:
    print(f"ecg-tune: {message}", file=sys.stderr)
    return code


def main() -> None:
    """Be the console script."""
    sys.exit(run())
