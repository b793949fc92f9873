"""The page as it is before it has asked for the state of the session."""

import re
from pathlib import Path


def test_no_button_can_be_pressed_before_the_page_knows_the_session(root: Path) -> None:
    page = (root / "loadtests/generator/page/index.html").read_text(encoding="utf-8")
    buttons = re.findall(r'<button id="(\w+)"([^>]*)>', page)
    enabled = [name for name, attributes in buttons if "disabled" not in attributes]
    assert enabled == ["theme"]
