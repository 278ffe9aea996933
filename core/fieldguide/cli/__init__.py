"""The command line: one file a command; nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from typing import NoReturn

import click

from fieldguide import __version__
from fieldguide.cli import screen
from fieldguide.cli.adapters import adapters
from fieldguide.cli.benchmark import benchmark
from fieldguide.cli.captions import captions
from fieldguide.cli.classify import classify
from fieldguide.cli.demo import demo
from fieldguide.cli.doctor import doctor
from fieldguide.cli.domain_commands import RootGroup
from fieldguide.cli.embed import embed
from fieldguide.cli.evaluate import evaluate
from fieldguide.cli.index import index
from fieldguide.cli.locate import locate
from fieldguide.cli.models import models
from fieldguide.cli.pairs import pairs
from fieldguide.cli.plugins import plugins
from fieldguide.cli.search import search
from fieldguide.cli.show import show
from fieldguide.cli.sources import sources
from fieldguide.cli.tune import tune
from fieldguide.errors import FieldguideError, UsageError

USAGE, FAILED, INTERRUPTED = 2, 1, 130
DEBUG_VARIABLE = "FIELDGUIDE_DEBUG"


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Tell what images show, by description: satellites, CT, histology, species.

    A domain may have commands of its own: fieldguide DOMAIN --help; 'plugins' lists them.

    \b
    Exit codes: 0 all done; 1 nothing could be used; 2 wrong usage; 3 some inputs were skipped.
    """


for _command in (classify, embed, index, search, locate, tune, evaluate, benchmark, captions, show,
                 sources, models, adapters, plugins, pairs, doctor, demo):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Run the command line; neither a mistake nor a fault of ours shows a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger().handlers[0].addFilter(_clean_record)
    try:
        code = cli(standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk shows here, and not at the end of the process
        sys.exit(code)
    except click.ClickException as error:
        lines = io.StringIO()
        error.show(lines)
        click.echo(screen.clean(lines.getvalue()), err=True, nl=False)
        sys.exit(error.exit_code)
    except FieldguideError as error:
        _fail(str(error), USAGE if isinstance(error, UsageError) else FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has enough, as in '| head'
        _drop_output()
        sys.exit(0)
    except Exception as error:  # a fault of ours is no reason for a traceback either
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _drop_output()
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _fail(f"unexpected {reason}. For the traceback, run it again with {DEBUG_VARIABLE}=1.")


def _fail(message: str, code: int = FAILED) -> NoReturn:
    click.echo(f"Error: {screen.clean(message)}", err=True)
    sys.exit(code)


def _drop_output() -> None:
    """Let what is still to be printed go nowhere, so that the end of the process says nothing."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):  # it is no file of the system's
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _clean_record(record: logging.LogRecord) -> bool:
    """Keep file names in a message from commanding the terminal, and tracebacks for debugging."""
    record.msg, record.args = screen.clean(record.getMessage()), None
    if not os.environ.get(DEBUG_VARIABLE):
        record.exc_info = record.exc_text = record.stack_info = None
    return True
