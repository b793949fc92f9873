"""`study ui` in a browser: what a person does there, and what is left when something goes away."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from commands.common import MACHINE_LOCK_VARIABLE
from loadtests.host.cores import available_cores, split_cores
from loadtests.launch.server import free_ports
from loadtests.records.run_trials import read_trials

pytestmark = pytest.mark.live

WITHIN_S = 90.0
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
CONTENDERS = ("null-http", "null-grpc")
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--no-proxy-server"),
)


class Ui:
    """`study ui` as a process, and what it says."""

    def __init__(self, results: Path, *arguments: str) -> None:
        self.results = results
        self.port = free_ports(()).main
        command = [sys.executable, "-m", "study", "ui", *CONTENDERS, "--port", str(self.port)]
        command += ["--results", str(results), *arguments]
        # One a folder: sessions of other tests are no second ones.
        alone = {MACHINE_LOCK_VARIABLE: str(results / ".machine")}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **alone},
        )
        self.url = f"http://127.0.0.1:{self.port}/study/"
        self.family: list[psutil.Process] = []

    def until_answering(self) -> "Ui":
        until(self._answers, self.process)
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}state", timeout=2) as reply:
                rows = json.load(reply).get("rows", [])
                return [row["state"] for row in rows] == ["ready"] * len(CONTENDERS)
        except OSError:
            return False

    def stop(self, number: int = signal.SIGINT) -> str:
        if self.process.poll() is None:
            self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=60)
        return said

    def stop_by_itself(self) -> str:
        said, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 2, said
        return said

    def family_with(self, part_of_command: str) -> list[psutil.Process]:
        """All of it, once one of such a command is among them; before, nothing."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        found = any(part_of_command in " ".join(each.cmdline()) for each in family)
        return family if found else []

    def of(self, part_of_command: str) -> psutil.Process:
        family = psutil.Process(self.process.pid).children(recursive=True)
        return next(each for each in family if part_of_command in " ".join(each.cmdline()))


def until(holds: Callable[[], Any], process: Any = None) -> Any:
    deadline_s = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert process is None or process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    return found


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Ui]]:
    running: list[Ui] = []

    def start(*arguments: str) -> Ui:
        running.append(Ui(tmp_path, *arguments))
        return running[-1]

    yield start
    for ui in running:
        ui.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """One for all tests that leave it up."""
    ui = Ui(tmp_path_factory.mktemp("results"))
    try:
        yield ui.until_answering()
    finally:
        ui.stop()


@pytest.fixture
def ui(shared: Ui) -> Iterator[Ui]:
    """It, idle afterwards."""
    yield shared
    urllib.request.urlopen(f"http://127.0.0.1:{shared.port}/stop", b"", timeout=10).close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_window_size(1400, 1000)
    yield driver
    driver.quit()


class Page:
    """The study's page, by what a person sees."""

    def __init__(self, browser: Any, ui: Ui) -> None:
        self.browser = browser
        browser.get(ui.url)
        self.until_enabled("compare")

    def one(self, css: str) -> Any:
        return self.browser.find_element("css selector", css)

    def cell(self, name: str, column: int) -> str:
        """What stands there; nothing while the page is loading."""
        cell = f'#rows tr[data-name="{name}"] td:nth-child({column})'
        asked = f"return document.querySelector('{cell}')?.innerText ?? ''"
        return str(self.browser.execute_script(asked))

    def until_enabled(self, button: str) -> Any:
        return until(lambda: (b := self.one(f"#{button}")).is_enabled() and b)

    def put(self, name: str, value: str) -> None:
        field = self.one(f'[name="{name}"]')
        field.clear()
        field.send_keys(value)

    def said(self) -> str:
        return str(self.one("#said").text)


def test_compare_reload_and_save_in_a_browser(ui: Ui, browser: Any) -> None:
    page = Page(browser, ui)
    page.put("seconds", "10")
    page.one("#compare").click()
    until(lambda: page.said().startswith("comparison:"), ui.process)
    browser.refresh()  # nothing of the comparison is in the browser
    until(lambda: page.cell("null-grpc", 4) not in ("", "–"), ui.process)
    page.until_enabled("save")
    rows = [row.text for row in browser.find_elements("css selector", "#table tbody tr")]
    assert [row.split()[0] for row in rows] == list(CONTENDERS)
    assert "95 % intervals" in page.one("#result-title").text
    page.one("#save").click()
    until(lambda: "study report" in page.said(), ui.process)
    (run,) = [path.parent for path in ui.results.glob("*/manifest.json")]
    records = read_trials(run).values()
    assert {record.contender_name for record in records} == set(CONTENDERS)
    cores = split_cores(available_cores(), 1)
    assert all(record.cores == cores for record in records)
    report = [sys.executable, "-m", "study", "report", str(run)]
    done = subprocess.run(report, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr


def test_load_all_at_once_shows_each_contender_and_one_that_dies_comes_back(
    ui: Ui, browser: Any
) -> None:
    page = Page(browser, ui)
    page.one("#live").click()
    for name in CONTENDERS:
        until(lambda name=name: float(page.cell(name, 4).replace("–", "0")) > 30, ui.process)
        assert page.cell(name, 7) == "0 %"
        assert float(page.cell(name, 6)) > 0
    ui.of("servers.null_service").kill()
    until(lambda: "again" in page.said(), ui.process)
    until(lambda: page.cell("null-http", 2) == "ready", ui.process)
    until(lambda: float(page.cell("null-http", 4).replace("–", "0")) > 30, ui.process)
    page.one("#stop").click()
    until(lambda: page.cell("null-http", 4) == "–", ui.process)


def test_start_in_locusts_own_ui_loads_what_is_chosen_without_failures(
    started: Any, browser: Any
) -> None:
    ui = started().until_answering()  # one that has run shows its charts, and no form
    browser.get(f"http://127.0.0.1:{ui.port}/")
    until(lambda: browser.find_elements("css selector", "#study-link"), ui.process)
    assert "null-http: HTTP/JSON" in browser.page_source
    start = until(
        lambda: browser.find_elements("xpath", "//button[translate(., 'STAR', 'star')='start']")
    )
    start[-1].click()
    page = Page.__new__(Page)
    page.browser = browser
    time.sleep(3)
    browser.get(ui.url)
    until(lambda: page.cell("null-grpc", 4) not in ("", "–", "0"), ui.process)
    assert page.cell("null-grpc", 7) == "0 %"


def test_at_the_width_of_a_phone_nothing_is_cut_off(ui: Ui, browser: Any) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    )
    page = Page(browser, ui)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    page.one("#theme").click()
    assert page.one("html").get_attribute("data-theme") in ("dark", "light")


def test_stopped_in_the_middle_of_a_comparison_nothing_is_left_running(
    started: Any, alive: Any
) -> None:
    ui = started().until_answering()
    post(ui, "compare")
    family = until(lambda: f if (f := ui.family_with("replay_locustfile")) else None, ui.process)
    said = ui.stop(signal.SIGHUP)  # a closed terminal
    assert "Traceback" not in said
    until(lambda: not alive(family))


def test_killed_the_study_takes_its_children_with_it(started: Any, alive: Any) -> None:
    ui = started().until_answering()
    ui.process.kill()
    until(lambda: not alive(ui.family))


def test_a_second_one_and_a_busy_port_are_refused_in_a_sentence(
    started: Any, tmp_path: Path
) -> None:
    ui = started().until_answering()
    said = started("--port", str(ui.port + 1)).stop_by_itself()
    assert "found process" in said
    assert ui.url in said
    ui.stop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = started("--port", str(listener.getsockname()[1])).stop_by_itself()
    assert "Address already in use" in said
    assert "Traceback" not in said


def test_with_a_login_nothing_is_shown_or_done_before_it(started: Any, browser: Any) -> None:
    ui = started("--web-login")
    password = ui.process.stdout.readline().split()[-1]
    until(lambda: _is_open(ui.port), ui.process)
    with urllib.request.urlopen(f"{ui.url}state", timeout=5) as reply:
        assert reply.url.split("?")[0].endswith("/login")
    assert post(ui, "compare").url.split("?")[0].endswith("/login")
    for given in ("wrong", password):
        browser.get(ui.url)
        until(lambda: browser.find_elements("css selector", '[name="password"]'), ui.process)
        browser.find_element("css selector", '[name="username"]').send_keys("study")
        browser.find_element("css selector", '[name="password"]').send_keys(given)
        browser.find_element("css selector", '[type="submit"]').click()
        shown = "Expected the user study" if given == "wrong" else "Compare contenders"
        until(lambda shown=shown: shown in browser.page_source, ui.process)


def test_a_page_of_another_origin_starts_nothing(ui: Ui) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(ui, "compare", origin="http://elsewhere.example")
    assert raised.value.code == 403


def post(ui: Ui, what: str, origin: str = "") -> Any:
    form = (
        b'{"contenders": ["null-http", "null-grpc"], "rate_rps": 50, "seconds": 20, "slo_ms": 100,'
        b' "texts": "messages of the study", "arrivals": "independent callers (Poisson)",'
        b' "lengths": "as they come"}'
    )
    headers = {"content-type": "application/json", **({"origin": origin} if origin else {})}
    request = urllib.request.Request(f"{ui.url}do/{what}", form, headers)
    return urllib.request.urlopen(request, timeout=10)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
