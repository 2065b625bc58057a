"""What the page is served with, and who asks: read by every view."""

from dataclasses import dataclass, field

from flask import current_app, request
from flask import session as cookie

from al_fashion.workspace import Workspace
from webui.ahead import Ahead
from webui.language import LANGUAGES, Texts
from webui.progress import Progress


@dataclass(frozen=True)
class Settings:
    """`labeller` is whoever has given no other name; with `accounts` everyone signs in.

    `hosts` are the names under which the page may be asked for, beside this machine's own.
    """

    workspace: Workspace
    labeller: str
    accounts: bool = False
    hosts: frozenset[str] = frozenset()
    progress: Progress = field(default_factory=Progress)
    ahead: Ahead = field(default_factory=Ahead)


def settings() -> Settings:
    """What the running application was made with."""
    found: Settings = current_app.config["AL_FASHION"]
    return found


def texts() -> Texts:
    """The page's words in the language of whoever asks."""
    chosen = str(cookie.get("language", ""))
    if chosen not in LANGUAGES:
        chosen = request.accept_languages.best_match(list(LANGUAGES)) or "en"
    return LANGUAGES[chosen]
