"""The commands put together; errors become messages and exit codes here and nowhere else."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from editalk import __version__
from editalk.cli import cache, config, edit, guide, inspect, models
from editalk.cli.apply import apply_command
from editalk.cli.batch import batch_command
from editalk.cli.clean import clean_command
from editalk.cli.program import ConfigFile, Group, NoConfig, Program, origin, tree
from editalk.cli.review import review_command
from editalk.cli.verify import verify_command
from editalk.console import begin, interrupt, interruption, print_error, stages
from editalk.errors import EditalkError

app = Program("Edit a talking-head video by editing its transcript.")
models_app = Program("The registry of model weights.")
cache_app = Program("Results of stages, kept for the next run.")
config_app = Program("Settings from files and from the environment.")
app.add_typer(models_app, name="models")
app.add_typer(cache_app, name="cache")
app.add_typer(config_app, name="config")

STOPPED = {129: "hung up", 130: "interrupted", 143: "terminated"}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"editalk {__version__}")
        raise typer.Exit


@app.callback()
def _general(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    no_config: NoConfig = False,
    config: ConfigFile = None,
) -> None:
    """Edit a talking-head video by editing its transcript."""


app.command("transcribe")(edit.transcribe_command)
app.command("clean")(clean_command)
app.command("diff")(edit.diff_command)
app.command("plan")(edit.plan_command)
app.command("apply")(apply_command)
app.command("batch")(batch_command)
app.command("review")(review_command)
app.command("verify")(verify_command)
app.command("eval")(inspect.eval_command)
app.command("doctor")(inspect.doctor_command)
app.command("help")(guide.help_command)
app.command("man")(guide.man_command)
app.command("completion")(guide.completion_command)
models_app.command("list")(models.models_list)
models_app.command("pull")(models.models_pull)
models_app.command("verify")(models.models_verify)
cache_app.command("show")(cache.cache_show)
cache_app.command("clear")(cache.cache_clear)
cache_app.command("path")(cache.cache_path)
config_app.command("show")(config.config_show)
config_app.command("path")(config.config_path)
config_app.command("init")(config.config_init)


def main(argv: list[str] | None = None) -> int:
    """Run a command; the process's exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    _catch_signals()
    root = tree(app)
    if os.environ.get("_EDITALK_COMPLETE"):  # the shell asks what could come next
        from typer._completion_classes import completion_init

        completion_init()
    try:
        code = root.main(args=arguments, prog_name="editalk", standalone_mode=False)
        sys.stdout.flush()
    except EditalkError as error:
        return _fail(error, error.exit_code, root, arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (typer.Exit, SystemExit) as done:
        code = int(getattr(done, "exit_code", getattr(done, "code", 0)) or 0)
    except MemoryError as error:
        return _fail(error, 5, root, arguments, "not enough memory")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # the last line of defence: no traceback reaches a user without -v
        stop = interruption()
        if stop is None:
            return _unforeseen(error, root, arguments)
        code = stop.code if isinstance(stop, SystemExit) else 130
    if code in STOPPED:
        _stopped(code, _rows(root, arguments))
    return code if isinstance(code, int) else 0


def _catch_signals() -> None:
    """Ctrl-C, a polite kill and a closed terminal unwind like an error, so that nothing half-written stays."""
    begin()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP, and so it stays
            signal.signal(number, _terminated)


def _interrupted(number: int, frame: object) -> None:
    interrupt(KeyboardInterrupt())


def _terminated(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the cleaning up
    interrupt(SystemExit(128 + number))


def _stopped(code: int, rows: bool) -> None:
    if rows:
        print_error(STOPPED[code], code, rows)
    else:
        print(STOPPED[code], file=sys.stderr)


def _unforeseen(error: Exception, root: Group, arguments: list[str]) -> int:
    shown = getattr(error, "format_message", None)
    if shown is None:
        return _unexpected(error, root, arguments)
    message, rows = f"{shown()}{origin(error, root)}", _rows(root, arguments)
    if shown().startswith("Usage:") and not rows:  # the help, where no command is named
        print(message, file=sys.stderr)
    else:
        print_error(message, 2, rows)
    return 2


def _unexpected(error: Exception, root: Group, arguments: list[str]) -> int:
    from editalk.crash import MENDER, in_words, is_foreseen, write_report

    path = None if is_foreseen(error) else write_report(error, arguments, stages())
    code = _fail(error, 1, root, arguments, f"{in_words(error)} (-v shows where)", "" if path is None else str(path))
    if path is not None and not _rows(root, arguments):
        print(f"editalk: {path} holds no media and no words; send it to {MENDER}", file=sys.stderr)
    return code


def _verbose(root: Group, arguments: list[str]) -> bool:
    """Also where the words could not be parsed."""
    return root.verbose or "-v" in arguments or "--verbose" in arguments


def _rows(root: Group, arguments: list[str]) -> bool:
    """Whether standard error is for programs."""
    return root.rows or "--json" in arguments


def _fail(
    error: BaseException, code: int, root: Group, arguments: list[str], message: str | None = None, report: str = ""
) -> int:
    shown = error if _verbose(root, arguments) else None
    print_error(message or str(error), code, _rows(root, arguments), shown, report)
    return code
