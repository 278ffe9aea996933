"""The command line: one file a command; nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import os
import sys

import click

from fieldguide import __version__
from fieldguide.cli.classify import classify
from fieldguide.cli.demo import demo
from fieldguide.cli.embed import embed
from fieldguide.cli.evaluate import evaluate
from fieldguide.cli.index import index
from fieldguide.cli.models import models
from fieldguide.cli.plugins import plugins
from fieldguide.cli.search import search
from fieldguide.cli.show import show
from fieldguide.errors import FieldguideError, UsageError

USAGE, FAILED, INTERRUPTED = 2, 1, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Tell what images show, by description: satellites, CT, histology, species.

    \b
    Exit codes: 0 all done; 1 nothing could be used; 2 wrong usage; 3 some inputs were skipped.
    """


for _command in (classify, embed, index, search, evaluate, show, models, plugins, demo):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; a user's mistake is one clear line, never a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        sys.exit(cli(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FieldguideError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE if isinstance(error, UsageError) else FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has enough, as in '| head'
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
