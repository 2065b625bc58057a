"""The page's words, by language: one JSON file each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Texts:
    """`words` by key; {braces} in them stand for what is filled in."""

    code: str
    words: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """A text, its braces filled in. Raises KeyError for a key that no language has."""
        return self.words[key].format(**values) if values else self.words[key]


def _read(path: Path) -> Texts:
    return Texts(path.stem, json.loads(path.read_text(encoding="utf-8")))


LANGUAGES = {
    path.stem: _read(path) for path in sorted((Path(__file__).parent / "languages").glob("*.json"))
}
