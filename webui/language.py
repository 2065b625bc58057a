"""The page's words, by language: one JSON file each, and one of what is refused.

English needs none of those: there an error's own message is what is said.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from al_fashion.errors import AlFashionError


@dataclass(frozen=True)
class Texts:
    """`words` by key, `refusals` by the English message; {braces} stand for what is filled in."""

    code: str
    words: Mapping[str, str]
    refusals: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """A text, its braces filled in. Raises KeyError for a key that no language has."""
        return self.words[key].format(**values) if values else self.words[key]

    def refusal(self, error: AlFashionError) -> str:
        """An error in this language; in English where nobody has translated it."""
        known = self.refusals.get(error.message)
        return known.format(**error.values) if known is not None else str(error)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = {
    path.stem: Texts(path.stem, _read(path), _read(_FOLDER / "refusals" / path.name))
    for path in sorted(_FOLDER.glob("*.json"))
}
