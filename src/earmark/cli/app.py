"""The root of the command line: global options, errors in words, exit status."""

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated

import typer

from earmark.cli import (
    check,
    compatibility,
    convert,
    datasets,
    demo,
    embed,
    evaluate,
    explain,
    features,
    library,
    models,
    output,
    playlist,
    serve,
    similar,
    sources,
    tag,
    taggram,
    teach,
    train,
    write,
)
from earmark.errors import EarmarkError, UnknownNameError, UsageError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

# The base of what the parser raises for a wrong option: its home differs between versions of Typer.
_ParserError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")

app = typer.Typer(
    name="earmark",
    help="Listen to music and tell what is in it.",
    epilog="Start with: earmark tag SONG.mp3. What a command does in detail: earmark COMMAND --help.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="On an error show where in the code it arose.")] = False,
) -> None:
    """Listen to music and tell what is in it."""
    if version:
        from earmark._version import __version__

        typer.echo(f"earmark {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


for module in (
    tag, taggram, explain, embed, library, similar, playlist, teach, check, write, compatibility, sources, serve,
    models, datasets, features, train, evaluate, convert, demo,
):  # fmt: skip
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : without the name of the program; `--debug` may stand anywhere before "--"

    Returns
    -------
    exit status: 0; 1 if something failed, or nobody reads the output; 2 if the arguments were wrong; 130 if interrupted
    """
    rest, debug = split_debug(arguments)
    output.prepare_streams()
    try:
        with output.worded_warnings():
            status = _run(rest, debug=debug)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _forget_stdout()
        return FAILED
    except OSError as problem:  # stdout leads to a full disk
        if debug:
            raise
        _forget_stdout()
        output.error(EarmarkError(str(problem)))
        return FAILED
    return status


def split_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--debug` out of arguments, and say whether it was there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def spread(arguments: Sequence[str]) -> list[str]:
    """Write out what may be left out on the command line, as the parser wants it."""
    return explain.spread(teach.spread(arguments))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        status = typer.main.get_command(app).main(spread(arguments), prog_name="earmark", standalone_mode=False)
    except _ParserError as problem:
        context = getattr(problem, "ctx", None)
        hint = f"{context.command_path} --help" if context is not None else "earmark --help"
        message = getattr(problem, "format_message", problem.__str__)()
        output.error(UsageError(message[:1].lower() + message[1:].rstrip("."), hint=hint))
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except EarmarkError as problem:
        if debug:
            raise
        output.error(problem)
        return USAGE if isinstance(problem, UsageError | UnknownNameError) else FAILED
    if status == INTERRUPTED:  # some versions of Typer return it, others raise
        output.note("interrupted")
    return status if isinstance(status, int) else OK


def explain_defect(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """Report what should not have got out: a defect of earmark itself; with `--debug`, where it arose."""
    if split_debug(sys.argv[1:])[1]:
        sys.__excepthook__(kind, problem, trace)
        return
    text = f"{kind.__name__}: {problem}" if str(problem) else kind.__name__
    output.error(EarmarkError(f"a defect of earmark: {text}", hint="run it again with --debug and report what it says"))


def _forget_stdout() -> None:
    """Keep Python from complaining at its end about output that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
