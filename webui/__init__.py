"""The labelling page: a thin Flask application over the store."""

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from al_fashion.files import write_text
from al_fashion.workspace import SECRET_KEY_NAME, Workspace
from webui.api import api
from webui.auth import auth, require_person
from webui.browse import browse
from webui.labelling import labelling
from webui.people import person
from webui.refusals import refusals
from webui.review import review
from webui.security import add_headers, refuse_foreign_requests
from webui.settings import Settings, texts


def create_app(
    workspace: Workspace, labeller: str, *, accounts: bool = False, hosts: Iterable[str] = ()
) -> Flask:
    """The page of one workspace.

    `labeller` is whoever has not given another name; with `accounts` everyone signs in instead.
    `hosts` are names under which the page may be asked for, beside this machine's own.
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=_secret_key(workspace.folder / SECRET_KEY_NAME),
        SESSION_COOKIE_NAME=_cookie_name(workspace),
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=256 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        AL_FASHION=Settings(workspace, labeller, accounts, frozenset(hosts)),
    )
    app.jinja_env.globals.update(person=person)
    app.context_processor(lambda: {"t": texts()})
    app.before_request(refuse_foreign_requests)
    CSRFProtect(app)
    app.before_request(require_person)
    for part in (api, auth, browse, labelling, review, refusals):
        app.register_blueprint(part)
    app.after_request(add_headers)
    return app


def _cookie_name(workspace: Workspace) -> str:
    """Cookies know no ports: two workspaces served at once must not overwrite each other's."""
    return "al_fashion_" + hashlib.sha256(str(workspace.folder).encode()).hexdigest()[:8]


def _secret_key(path: Path) -> str:
    """What signs the cookies: made once, kept in the workspace, read by its owner only."""
    if not path.exists():
        write_text(path, secrets.token_hex(32))
        path.chmod(0o600)
    return path.read_text(encoding="utf-8")
