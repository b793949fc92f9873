"""What somebody else wrote is shown in Markdown as it is."""

import pytest

from loadtests.records.markdown import code, code_block, inline, provenance, table


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


def test_a_table_sets_its_numbers_to_the_right() -> None:
    assert table(("contender", "rps"), [("`a`", "1"), ("`b`", "20")], 1) == (
        "| contender | rps |\n| --- | ---: |\n| `a` | 1 |\n| `b` | 20 |"
    )


def test_a_page_says_on_which_machine_and_by_which_commit_it_was_made() -> None:
    record = {
        "created_at": "2026-01-01",
        "command": "study crosscheck",
        "machine": {"cpu_model": "<CPU>", "cpu_count": 2, "gpu": {"name": "H200"}},
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "cores": {"server": [0, 1], "load": [2]},
    }
    assert provenance(record) == [
        "- Machine: &lt;CPU&gt;, 2 cores, H200; server on cores 0, 1, clients on 2.",
        "- Made 2026-01-01 at commit 0123456789ab with changes by `study crosscheck`.",
    ]
