"""What the README tells a newcomer to type works."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from test_cli import save_photos

from al_fashion.cli import COMMANDS, main
from al_fashion.models.weights import find_weights
from al_fashion.store.answers import save_answer
from al_fashion.store.database import writing
from al_fashion.store.queue import next_photos
from al_fashion.workspace import Workspace

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands(title: str) -> list[list[str]]:
    """The shell commands below a title, each split into words."""
    section = README.split(f"## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def answer_everything(folder: Path) -> None:
    """In place of the page, which has tests of its own."""
    with writing(Workspace.open(folder).engine) as session:
        for place, photo in enumerate(next_photos(session, "ann", limit=1000)):
            save_answer(
                session,
                query_id=photo.query_id,
                labeller="ann",
                kind="labels",
                label_names=[("dress", "pullover", "shirt")[place % 3]],
                client_id=str(photo.query_id),
            )


def test_the_first_ten_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        find_weights(None, verify=True)
    except Exception as error:
        pytest.skip(f"VGG16's weights are not here: {error}")
    save_photos(tmp_path / "photos", 60)
    monkeypatch.chdir(tmp_path)
    typed = commands("The first ten minutes on your own photos")
    assert len(typed) >= 8
    for program, *arguments in typed:
        if program == "cd":
            monkeypatch.chdir(arguments[0])
        elif arguments[0] == "serve":
            answer_everything(Path())
        else:
            monkeypatch.setattr(sys, "argv", [program, *arguments])
            with pytest.raises(SystemExit) as stopped:
                main()
            assert not stopped.value.code, (arguments, capsys.readouterr().err)
    assert Path("labels.csv").read_text().count("\n") > 20
    assert Path("reports/report.html").exists()


def test_make_has_the_two_commands() -> None:
    targets = (ROOT / "Makefile").read_text()
    for program, target in commands("Two commands"):
        assert program == "make" and f"\n{target}:" in targets


def test_every_named_command_and_file_exists() -> None:
    named = set(re.findall(r"`al-fashion ([a-z]+)", README))
    assert named <= set(COMMANDS)
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
