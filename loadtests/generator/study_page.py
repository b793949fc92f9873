"""The study's page inside Locust's web app: a blueprint beside Locust's own, and a link to it."""

import secrets
from argparse import Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, redirect, request, send_from_directory, session
from flask_login import UserMixin, login_user
from locust.web import WebUI

from loadtests.generator.study_asked import StudyAsked

PAGE = Path(__file__).parent / "page"
DOINGS = ("compare", "capacity", "stop", "save")
USER = "study"
_LINK = b'<script src="./study/link.js" defer></script></body>'


def add_study_page(web_ui: WebUI, study: StudyAsked, options: Namespace) -> None:
    assert web_ui.app is not None  # Locust made it
    base = options.web_base_path or ""
    pages = Blueprint("study", __name__, url_prefix=f"{base}/study")
    guarded = web_ui.auth_required_if_enabled

    @pages.route("/")
    @guarded
    def page() -> Response:
        return send_from_directory(PAGE, "index.html", max_age=0)

    @pages.route("/<path:name>")
    def part(name: str) -> Response:
        return send_from_directory(PAGE, name, max_age=0)

    @pages.route("/state")
    @guarded
    def state() -> Response:
        said = {"said_here": study.said} if study.said else {}
        return jsonify({**study.page, **said})

    @pages.route("/do/<what>", methods=["POST"])
    @guarded
    def do(what: str) -> tuple[Response, int]:
        study.said = ""
        if what not in DOINGS:
            return jsonify(
                ok=False, said=f"expected one of {', '.join(DOINGS)}, found {what}."
            ), 404
        if not _from_here():
            return jsonify(ok=False, said="expected a request of this page, found another's."), 403
        form = request.get_json(silent=True)
        if not isinstance(form, dict):
            return jsonify(ok=False, said="expected a JSON object, found something else."), 400
        answer = study.ask(what, form=form)
        return jsonify(answer), 200 if answer["ok"] else 409

    def _with_link(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            response.set_data(response.get_data().replace(b"</body>", _LINK))
        return response

    web_ui.app.register_blueprint(pages)
    web_ui.app.after_request(_with_link)
    if options.web_login:
        _add_login(web_ui, base, options.password)


def _from_here() -> bool:
    """Locust answers pages of any origin; what changes something is for its own only."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.host


class _Person(UserMixin):  # type: ignore[misc]
    id = USER


def _add_login(web_ui: WebUI, base: str, password: str) -> None:
    app = web_ui.app
    assert app is not None
    app.secret_key = secrets.token_bytes(32)
    web_ui.login_manager.user_loader(lambda name: _Person() if name == USER else None)
    web_ui.auth_args = {"username_password_callback": f"{base}/study/login"}

    @app.route(f"{base}/study/login", methods=["POST"])
    def check() -> Any:
        given = request.form.get("username", ""), request.form.get("password", "")
        if secrets.compare_digest("\0".join(given).encode(), f"{USER}\0{password}".encode()):
            login_user(_Person())
            return redirect(f"{base}/study/")
        session["auth_error"] = (
            f"Expected the user {USER} and the password that the terminal shows."
        )
        return redirect(f"{base}/login")
