"""`doctor`."""

import sys
from pathlib import Path

import click

from al_fashion.cli.options import as_json, print_json, weights_options


@click.command()
@weights_options
@as_json
@click.pass_context
def doctor(
    ctx: click.Context, weights: Path | None, weights_unverified: bool, as_json: bool
) -> None:
    """Check Python, the weights, the database, the photos and the disk; say what to do."""
    from al_fashion.checks import run_checks

    checks = run_checks(ctx.obj, weights, verify_weights=not weights_unverified)
    if as_json:
        print_json({"checks": checks})
    else:
        for check in checks:
            click.echo(f"{'ok ' if check['ok'] else 'BAD'}  {check['name']}: {check['says']}")
    if not all(check["ok"] for check in checks):
        sys.exit(1)
