"""What the tutorial of an own strategy tells a reader to type works, as it stands there."""

import csv
import re
import shlex
import sys
from pathlib import Path

import pytest
from comparisons import save_photos

from al_fashion.cli import main
from al_fashion.comparison.experiment import load_experiment

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_tutorial_of_an_own_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the photos are others, and fewer: no weights are needed for these."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AL_FASHION_CACHE", str(tmp_path / "cache"))
    manifest = save_photos(tmp_path / "shop")
    mine, members, model = blocks("own-strategy.md", "python")
    assert len(mine[mine.index("def ") :].splitlines()) <= 10
    Path("my_strategy.py").write_text(mine)
    Path("members.py").write_text(members)
    Path("my_model.py").write_text(model)
    smaller = {"fashion-mnist": str(manifest), "200": "40", "20": "10", "5": "2", "10": "3"}
    first, more, forest = (shlex.split(line) for line in blocks("own-strategy.md", "sh"))
    pixels = ["--backbone", "pixels", "--input-size", "48"]
    for program, *words in (
        [*(smaller.get(word, word) for word in first), *pixels],
        [smaller.get(word, word) for word in more],
        [
            *(smaller.get(word, word) for word in forest),
            *pixels,
            "--strategies",
            "members.py:disagreement",
        ],
    ):
        monkeypatch.setattr(sys, "argv", [program, *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code, capsys.readouterr().err
    with Path("my-comparison/results.csv").open(newline="") as file:
        ran = {(row["strategy"], row["seed"]) for row in csv.DictReader(file)}
    names = ("my_strategy.py:my_strategy", "auto", "margin", "random")
    assert ran == {(name, seed) for name in names for seed in "012"}
    assert "members.py:disagreement" in Path("with-a-forest/results.csv").read_text()


def test_the_file_of_the_manual_is_an_experiment(tmp_path: Path) -> None:
    (text,) = blocks("comparing.md", "toml")
    (tmp_path / "a.toml").write_text(text)
    found = load_experiment(tmp_path / "a.toml")
    assert found.data[1].source == str(tmp_path / "clothing" / "labels.csv")
    assert found.budget_for("clothing") == 800 and len(found.seeds_for("auto")) == 30
