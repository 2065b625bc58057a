"""The command line: finds the command, turns errors into one line and an exit status."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from al_fashion import __version__
from al_fashion.errors import AlFashionError

# Loaded by name when used, so that `--help` never waits for a command's libraries. The page
# stands above this package, which is why its command is only named here, never imported.
COMMANDS = {
    "init": ("al_fashion.cli.setup:init", "Make a workspace."),
    "import": ("al_fashion.cli.setup:import_", "Bring photos into the workspace."),
    "round": ("al_fashion.cli.rounds:round_", "Train, evaluate, select and queue."),
    "serve": ("webui.command:serve", "Open the labelling page."),
    "labeller": ("al_fashion.cli.labeller:labeller", "Invite people to the labelling page."),
    "status": ("al_fashion.cli.rounds:status", "Say where the workspace stands."),
    "audit": ("al_fashion.cli.audit:audit", "Prove that a model reaches the target."),
    "monitor": ("al_fashion.cli.monitor:monitor", "Watch the accuracy with few answers."),
    "leaks": ("al_fashion.cli.checking:leaks", "Find near duplicates across splits."),
    "suspects": ("al_fashion.cli.checking:suspects", "List answers that look wrong."),
    "report": ("al_fashion.cli.rounds:report", "Write the report as one HTML file."),
    "answers": ("al_fashion.cli.answers:answers", "Take in answers from elsewhere."),
    "export": ("al_fashion.cli.answers:export", "Write the labels out."),
    "backup": ("al_fashion.cli.backup:backup", "Write answers and settings into one file."),
    "restore": ("al_fashion.cli.backup:restore", "Make a workspace from a backup, or verify it."),
    "predict": ("al_fashion.cli.answers:predict", "Label photos with the newest model."),
    "models": ("al_fashion.cli.models:models", "List, train and compare the study's models."),
    "strategies": ("al_fashion.cli.rounds:list_strategies", "List the sampling strategies."),
    "compare": ("al_fashion.cli.compare:compare", "Compare sampling strategies by simulation."),
    "doctor": ("al_fashion.cli.doctor:doctor", "Check this machine and workspace."),
    "demo": ("al_fashion.cli.demo:demo", "Run the whole loop on Fashion-MNIST."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="al-fashion")
@click.option(
    "-w",
    "--workspace",
    envvar="AL_FASHION_WORKSPACE",
    type=click.Path(file_okay=False, path_type=Path),
    help="The workspace's folder; the current folder if not given.",
)
# Read by `main`, which is there before click has parsed anything.
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, workspace: Path | None) -> None:
    """From a folder of fashion photos to a classifier of proven accuracy."""
    ctx.obj = workspace or Path()
    ctx.meta["al_fashion.workspace_given"] = workspace is not None


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 could not, 2 wrong usage."""
    debug = "--debug" in sys.argv
    try:
        status = cli.main(prog_name="al-fashion", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = _fail("Stopped.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:
        if debug:
            raise
        status = _fail(_one_line(error))
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    expected: Any = (AlFashionError,)
    # Only a command that selects has loaded the strategies, whose errors speak for themselves.
    if "strategies" in sys.modules:
        expected += (sys.modules["strategies"].StrategyError,)
    if isinstance(error, expected):
        return f"Error: {text}"
    return f"Error: {type(error).__name__}: {text}. Run again with --debug to see where."
