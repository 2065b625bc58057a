"""What every request and every answer must satisfy."""

from urllib.parse import urlsplit

from flask import Response, request

from webui.settings import settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
PAGE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def refuse_foreign_requests() -> tuple[str, int] | None:
    """A foreign name that leads here is another site's page in disguise (DNS rebinding)."""
    if _name(request.host) not in LOOPBACK | settings().hosts:
        return f"Unknown host {request.host}. Open the page at the address serve printed.", 400
    origin = request.headers.get("Origin")
    if origin is not None and origin != "null" and urlsplit(origin).netloc != request.host:
        return "This request comes from another site.", 403
    return None


def add_headers(response: Response) -> Response:
    """Nothing but our own script, style and pictures; nothing guessed, nothing framed."""
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
