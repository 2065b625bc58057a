"""Labels needed, strategy by strategy: an experiment of `al-fashion compare`, as one JSON object.

    python benchmarks/labels.py [--quick] [--clothing DIR] [--ccp DIR] [--strategies a,b]

runs benchmarks/experiments/headline.toml (or quick.toml), going on where it was stopped, and prints
`cases`: a row a data set and strategy with its area under the learning curve (`aulc`, and its
standard deviation over seeds), `share_of_random` (labels to random's final accuracy over random's)
and Holm's p-values of paired t-tests against random and the default.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from al_fashion.comparison.experiment import load_experiment
from al_fashion.comparison.run import compare
from al_fashion.loop.features import FeatureOptions
from al_fashion.reports.comparison import cases, write

HERE = Path(__file__).parent


def main() -> None:
    given = _arguments()
    name = "quick" if given.quick else "headline"
    experiment = load_experiment(HERE / "experiments" / f"{name}.toml")
    folders = {"clothing": given.clothing, "ccp": given.ccp}
    sources = {data: str(folder / "labels.csv") for data, folder in folders.items() if folder}
    data = [replace(each, source=sources.get(each.name, each.source)) for each in experiment.data]
    experiment = replace(experiment, data=tuple(each for each in data if each.source))
    if given.strategies:
        experiment = replace(experiment, strategies=tuple(given.strategies.split(",")))
    folder = given.output or HERE / "results" / ("quick" if given.quick else "grid")
    options = FeatureOptions(given.weights, progress=True)
    found = compare(experiment, folder, options, jobs=given.jobs)
    summary = write(folder)
    failed = [f"{job.data} {job.strategy} {job.seed}" for job in found.failed]
    print(json.dumps({"experiment": found.digest, "cases": cases(summary), "failed": failed}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes on Fashion-MNIST alone")
    parser.add_argument("--clothing", type=Path, metavar="DIR", help="a folder with labels.csv")
    parser.add_argument("--ccp", type=Path, metavar="DIR", help="a folder with labels.csv")
    parser.add_argument("--strategies", metavar="A,B")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--weights", type=Path, help="VGG16's weights")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
