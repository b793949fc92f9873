# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the two documents say, and what was found
#
# 112 statements, each judged by measurement, by the real server's behaviour, from documentation
# with its source, or as opinion. The run folder is given by the environment variable `STUDY_RUN`.

# %%
# IPython's display functions carry no types.
# mypy: allow-untyped-calls
import os
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from analysis.claims.statements import read_chapters
from analysis.report.claims_page import behaviour_found, claims_of, judged_chapters
from analysis.report.words import statements as words
from loadtests.records.markdown import inline

for cut in ("max_colwidth", "max_columns", "max_rows"):
    pd.set_option(f"display.{cut}", None)

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")
folder = Path(os.environ["STUDY_RUN"])
chapters = judged_chapters(read_chapters(), {folder.name: claims_of(folder)}, behaviour_found())
everything = [judged for _, chapter in chapters for judged in chapter]
display(Markdown(f"**{inline(words.counts(everything))}** {inline(words.ways(everything))}."))

# %% [markdown]
# ## All of them

# %%
pd.DataFrame(
    {
        "number": judged.statement.number,
        "chapter": chapter.title,
        "statement": judged.statement.text,
        "verdict": words.verdict(judged),
        "judged by": words.WAYS[judged.statement.judged_by],
        "corrected": judged.statement.corrected,
    }
    for chapter, found in chapters
    for judged in found
)
