"""`study ui`: contenders kept up, and a page of Locust's web UI that compares them."""

import secrets
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import (
    CACHE,
    RESULTS,
    ModelOption,
    ResultsOption,
    TextsOption,
    command_line,
    console,
    contender_named,
    machine_lock,
    say,
    ui_lock,
    writable,
)

DEFAULT = ("fastapi", "fastapi-onnx", "triton", "hybrid")
PORT = 8089

if TYPE_CHECKING:
    from collections.abc import Mapping


def ui(
    contenders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONTENDER",
            help="Contenders, as `study list` shows them; ratios are taken against the first.",
            show_default=" ".join(DEFAULT),
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the web UI.")] = PORT,
    host: Annotated[
        str, typer.Option(help="Address of this machine on which the web UI listens.")
    ] = "127.0.0.1",
    web_login: Annotated[
        bool, typer.Option("--web-login", help="Ask for a password, which is shown here.")
    ] = False,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Keep contenders running and compare them in the browser, live."""
    from loadtests.live.options import UiOptions
    from loadtests.live.serve import serve_ui
    from loadtests.live.web import UiError, WebOptions
    from loadtests.measure.tools import Tools
    from loadtests.records.seed import SEED
    from servers.confine import raise_open_files

    chosen = {name: contender_named(name) for name in contenders or DEFAULT}
    if host not in ("127.0.0.1", "::1", "localhost") and not web_login:
        raise UiError(
            f"expected --web-login beside --host {host}, found none: whoever reaches that address "
            "could start loads here; add it, or leave --host out."
        )
    writable(results)
    _end_with_the_terminal()
    raise_open_files()
    web = WebOptions(host, port, secrets.token_urlsafe(9) if web_login else "")
    with ui_lock(web.url), tempfile.TemporaryDirectory(prefix="ui-") as folder:
        if web.password:
            say(f"User study, password {web.password}")
        options = UiOptions(
            *(chosen, web, results, command_line(), model or "small"),
            *(_sources(texts), SEED, Path(folder), _table, machine_lock),
        )
        tools = Tools(CACHE, say, _no_progress, machine_lock)
        try:
            serve_ui(options, tools)
        except KeyboardInterrupt:
            console.print("stopped")


def _sources(texts: Path | None) -> dict[str, str | None]:
    """The person's own texts first, where there are some."""
    own = {texts.name: str(texts.absolute())} if texts else {}
    return {**own, "messages of the study": None}


def _table(run: Path) -> "Mapping[str, Any] | None":
    from analysis.report.interim import read_interim
    from analysis.report.terminal import interim_cells
    from loadtests.records.stored import RecordError

    try:
        cells = interim_cells(read_interim(run))
    except RecordError:
        return None
    return {"title": cells.title, "columns": list(cells.columns), "rows": list(cells.rows)}


def _no_progress(run: Any) -> Any:
    raise AssertionError("the session has its own")


def _end_with_the_terminal() -> None:
    """A closed terminal stops the session as Ctrl-C does, unless it was started to outlive it."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
