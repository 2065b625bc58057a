"""`audit`."""

import getpass
import json
from pathlib import Path
from typing import Any

import click

from al_fashion.cli.options import as_json, print_json, weights_options
from al_fashion.errors import AuditError
from al_fashion.workspace import Workspace


@click.group()
def audit() -> None:
    """Prove that a model reaches 95 %, on photos that nothing has seen."""


@audit.command()
@click.option("--round", "round_", type=click.IntRange(1), help="Its model; else the newest.")
@click.option("-n", "photos", type=click.IntRange(1), help="Draw this many photos at most.")
@click.option("--overlap", type=click.IntRange(1, 25), help="People asked about each photo.")
@weights_options
@as_json
@click.pass_obj
def start(
    folder: Path,
    round_: int | None,
    photos: int | None,
    overlap: int | None,
    weights: Path | None,
    weights_unverified: bool,
    as_json: bool,
) -> None:
    """Freeze a model and queue untouched photos, one of each group, in random order."""
    from al_fashion.loop.audit import AuditOptions, start_audit
    from al_fashion.loop.features import FeatureOptions

    workspace = Workspace.open(folder)
    features = FeatureOptions(weights, not weights_unverified, progress=True)
    start_audit(workspace, AuditOptions(round_, photos, overlap, features))
    _print_status(workspace, as_json)


@audit.command("status")
@as_json
@click.pass_obj
def status(folder: Path, as_json: bool) -> None:
    """Say what can be vouched for, and how many more answers a proof needs."""
    _print_status(Workspace.open(folder), as_json)


@audit.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--signed-by", help="Who vouches for the record; else who is logged in.")
@as_json
@click.pass_obj
def claim(folder: Path, output: Path | None, signed_by: str | None, as_json: bool) -> None:
    """Write the signed-off record of a proof."""
    from al_fashion.files import write_text
    from al_fashion.loop.audit import claim_audit

    workspace = Workspace.open(folder)
    record = claim_audit(workspace, signed_by or getpass.getuser())
    path = output or workspace.reports / f"audit-{record['attempt']}.json"
    write_text(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    if as_json:
        print_json({"file": str(path), **_summary(record)})
        return
    click.echo(f"{record['claim']}\n{path}")


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--model", type=click.Path(path_type=Path), help="A model file: is it the one proven?"
)
@as_json
def verify(file: Path, model: Path | None, as_json: bool) -> None:
    """Recompute every number of a record FILE; no workspace is needed."""
    from al_fashion.stats.audit_record import verify_record

    try:
        record = verify_record(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AuditError(
            f"Cannot read {file}: {error}. Name the file `audit claim` wrote."
        ) from error
    if model is not None:
        _check_model(record, model)
    if as_json:
        print_json({"holds": True, **_summary(record)})
        return
    click.echo(
        f"The record holds: {record['answers']} answers, {record['errors']} errors, e-value "
        f"{record['e_value']:.2f}. {record['claim']}"
    )


@audit.command()
@click.pass_obj
def stop(folder: Path) -> None:
    """Give the attempt up; its answered photos may train, the next one draws others."""
    from al_fashion.loop.audit import stop_audit

    attempt, groups = stop_audit(Workspace.open(folder))
    click.echo(f"Attempt {attempt} is given up; its photos ({groups} groups) may train now.")


def _print_status(workspace: Workspace, as_json: bool) -> None:
    from al_fashion.reports.audit import audit_status, audit_text

    found = audit_status(workspace)
    if found is None:
        raise AuditError("There was no audit yet. Begin one with `al-fashion audit start`.")
    if as_json:
        print_json(found)
        return
    for line in audit_text(found):
        click.echo(line)


def _check_model(record: dict[str, Any], model: Path) -> None:
    from al_fashion.files import file_hash

    found, expected = file_hash(model), record["model"]["sha256"]
    if found != expected:
        raise AuditError(
            f"{model} is another model: its SHA-256 is {found}, the record's {expected}."
        )


def _summary(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("photos", "kind")}
