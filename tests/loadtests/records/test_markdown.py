"""What somebody else wrote is shown in Markdown as it is."""

import pytest

from loadtests.records.markdown import code, code_block, inline


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>a & b</script>", "&lt;script&gt;a &amp; b&lt;/script&gt;"),
        ("![x](http://there/x.png)", r"!\[x\](http://there/x.png)"),
        ("a | b", r"a \| b"),
        ("`rm -rf`", r"\`rm -rf\`"),
        ("**sure** and _sure_ and ~~not~~", r"\*\*sure\*\* and \_sure\_ and \~~not\~~"),
        ("one\n\n# two", "one # two"),
        ("# one", r"\# one"),
        ("1. one", r"1\. one"),
        ("$x$", r"\$x\$"),
    ],
)
def test_markup_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize(
    "text", ["fastapi-onnx", "0.5 to 93.8 rps", "max_batch_size = 32", "-3 %", "1 000 ms"]
)
def test_what_carries_no_markup_stays_as_it_is(text: str) -> None:
    assert inline(text) == text


def test_backticks_do_not_end_code() -> None:
    assert code("a") == "`a`"
    assert code("a`b\n`` c") == "``` a`b `` c ```"
    assert code_block("a\n```\n<b>") == "````\na\n```\n<b>\n````"
