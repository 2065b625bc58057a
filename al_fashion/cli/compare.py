"""`compare`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from al_fashion.cli.options import as_json, print_json, weights_options

if TYPE_CHECKING:
    from al_fashion.comparison.experiment import DataSet, Experiment

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _listed(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """A list of names parted by commas; None where the option was not given."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


_DATA_OPTIONS = [
    click.option("--group-by", help="CSV column of what a split keeps together."),
    click.option("--image-column", help="CSV column of the photos' paths."),
    click.option("--label-column", help="CSV column of the labels."),
    click.option("--labels-from", type=click.Choice(["folders", "csv"])),
    click.option(
        "--exclusive/--multi-label",
        default=None,
        help="Whether a photo has one label at most; found out if not given.",
    ),
    click.option("--class-map", type=click.Path(path_type=str), help="CSV `folder,labels`."),
    click.option("--format", metavar="NAME", help="What an export is, where it does not show."),
    click.option("--classes", callback=_listed, help="Only these labels, parted by commas."),
    click.option("--leave-out", callback=_listed, help="Not these labels."),
    click.option("--most-frequent", type=click.IntRange(2), help="Only so many labels."),
    click.option("--minimum-positives", type=click.IntRange(1), help="Photos a label must have."),
    click.option("--backbone", metavar="NAME|FILE.keras"),
    click.option("--input-size", type=click.IntRange(32, 1024), help="Pixels the backbone sees."),
]
_EXPERIMENT_OPTIONS = [
    click.option("--strategies", callback=_listed, help="Names, *, modal:*, FILE.py:FUNCTION."),
    click.option("--seeds", help="How many, or FIRST-LAST."),
    click.option("--budget", type=click.IntRange(1), help="Labels at the end."),
    click.option("--batch", type=click.IntRange(1), help="Photos a round."),
    click.option("--initial", type=click.IntRange(1), help="Photos in the seed set."),
    click.option("--seed-set", metavar="NAME|own", help="The strategy that selects the seed set."),
    click.option("--labellers", metavar="clean|noisy:RATExNUMBER"),
    click.option("--pool", type=click.IntRange(10), help="Photos to ask about at most."),
    click.option("--test", type=float, help="Share of the photos that test."),
    click.option("--learner", metavar="FILE.py:NAME", help="An estimator in the head's place."),
]


def _options(listed: Sequence[_Decorator]) -> _Decorator:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(listed):
            command = option(command)
        return command

    return add


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    "sources",
    multiple=True,
    metavar="[NAME=]SOURCE",
    help="A folder, a CSV manifest or fashion-mnist; may be repeated.",
)
@_options(_EXPERIMENT_OPTIONS)
@_options(_DATA_OPTIONS)
@click.option("--jobs", type=click.IntRange(1), help="Runs at once; as many as there are cores.")
@click.option("--engine", type=click.Choice(["processes", "ray"]), default="processes")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path))
@weights_options
@as_json
@click.pass_context
def compare(
    ctx: click.Context,
    file: Path | None,
    sources: tuple[str, ...],
    jobs: int | None,
    engine: str,
    output: Path,
    weights: Path | None,
    weights_unverified: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Compare sampling strategies on photos whose labels are known.

    FILE describes the experiment as TOML; options override it. --data replaces its data sets; one
    of the same name keeps its options there. What was done in the folder before is not run again.
    """
    from al_fashion.comparison.run import compare as run_comparison
    from al_fashion.loop.features import FeatureOptions
    from al_fashion.reports.comparison import cases, write

    experiment = _experiment(file, sources, given)
    options = FeatureOptions(weights, not weights_unverified, progress=True)
    found = run_comparison(experiment, output, options, jobs=jobs, engine=engine)
    for remark in found.remarks:
        click.echo(remark, err=True)
    failed = [f"{job.strategy} on {job.data} with seed {job.seed}" for job in found.failed]
    if failed:  # first, for it may be why there is nothing to report on
        reason = found.outcomes[found.failed[0]].traceback.strip().splitlines()[-1]
        click.echo(
            f"{len(failed)} of {len(found.outcomes)} runs failed: {failed[0]}"
            f"{f' and {len(failed) - 1} more' if failed[1:] else ''}: {reason}\n"
            f"Tracebacks are in {output / 'failures'}.",
            err=True,
        )
    table = cases(write(output))
    if as_json:
        name = {"folder": str(output), "experiment": found.digest}
        print_json({**name, "cases": table, "failed": failed})
    else:
        _print_table(table)
        click.echo(f"\nexperiment {found.digest}: {output / 'report.html'}")
    if failed:
        ctx.exit(1)


def _experiment(file: Path | None, sources: tuple[str, ...], given: dict[str, Any]) -> "Experiment":
    """The file's experiment, or the default one, with what the options say."""
    from al_fashion.comparison.experiment import DataSet, Experiment, load_experiment

    chosen = {name: value for name, value in given.items() if value is not None}
    names = DataSet.__dataclass_fields__.keys() - Experiment.__dataclass_fields__.keys()
    if "seeds" in chosen:
        seeds = chosen["seeds"]
        chosen |= {"seeds": int(seeds) if seeds.isdigit() else seeds, "seeds_of": {}}
    if "class_map" in chosen:
        chosen["class_map"] = str(Path(chosen["class_map"]).absolute())
    for_data = {name: chosen.pop(name) for name in list(chosen) if name in names}
    experiment = load_experiment(file) if file else Experiment()
    data = _data_sets(experiment.data, sources)
    return replace(experiment, data=tuple(replace(each, **for_data) for each in data), **chosen)


def _data_sets(listed: tuple["DataSet", ...], sources: tuple[str, ...]) -> tuple["DataSet", ...]:
    from al_fashion.comparison.experiment import DataSet, name_of

    known = {dataset.name: dataset for dataset in listed}
    found = []
    for given in sources:
        name, source = (given, known[given].source) if given in known else name_of(given)
        is_path = source not in ("", "fashion-mnist")
        absolute = str(Path(source).absolute()) if is_path else source
        found.append(replace(known.get(name, DataSet(name, "")), source=absolute))
    return tuple(found) if sources else listed


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Strategies by their area under the learning curve, data set by data set."""
    widths = [max(len(str(row[name])) for row in rows) for name in ("data", "strategy")]
    click.echo(
        f"{'data':{widths[0]}}  {'strategy':{widths[1]}}   area  final  share of random's labels"
    )
    for row in rows:
        share = "–" if row["share_of_random"] is None else f"{row['share_of_random']:.0%}"
        click.echo(
            f"{row['data']:{widths[0]}}  {row['strategy']:{widths[1]}}  "
            f"{row['aulc']:.3f}  {row['final']:.3f}  {share:>5}"
        )
