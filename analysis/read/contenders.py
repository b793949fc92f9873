"""What each contender says about itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from analysis.read.run import Run
from analysis.read.value import Value

SIMULATED_SERVER = "simulated_service"

ADDED_OPTIONS: Mapping[str, str] = {
    "curve": "",
    "length_buckets": "16,32,64,128",
    "metrics": "false",
    "preferred_batch_sizes": "",
    "threads_per_instance": "0",
}
"""Options that older runs do not name, or later ones no more, with the values that stand for what
runs without the name did."""


class ContenderFacts(Value):
    """What a contender says about itself; null where none of its trials was recorded."""

    name: str = Field(description="Name of the contender.")
    server: str = Field(description="Folder under servers/.")
    protocol: str = Field(description="Wire protocol.")
    engine: str = Field(description="What runs the network.")
    setting: str = Field(description="as-published or tuned.")
    batching: bool = Field(description="Whether it batches requests of different callers.")
    n_components: int = Field(description="Processes and artefacts that must be kept healthy.")
    components: list[str] = Field(
        default=[],
        description="Their names; empty: recorded before they were named.",
    )
    form: str = Field(
        description="What the study started: all of it (embedded), the gateway alone, or nothing "
        "(external)."
    )
    summary: str = Field(description="What it is.")
    blocks_health: bool = Field(
        default=False,
        description="Whether requests that wait for its model keep its health endpoint from "
        "answering.",
    )
    options: dict[str, str] = Field(default={}, description="Its options, as text.")
    simulated_device: str = Field(
        default="",
        description="Card, precision, software and source of the curve that stands for its device; "
        "empty: its engine computes.",
    )

    @property
    def device(self) -> str:
        """Where its engine runs: cpu unless an option says otherwise, and simulated before it where
        nothing runs there."""
        device = self.options.get("device", "cpu")
        return f"simulated {device}" if self.simulated_device else device

    @property
    def placed_engine(self) -> str:
        """Its engine and, on a GPU, where and in which precision that runs: torch, cuda fp16; or
        what is simulated."""
        if self.simulated_device:
            return self.simulated_device
        if self.device == "cpu":
            return self.engine
        tensorrt = " TensorRT" if self.options.get("tensorrt") == "true" else ""
        return f"{self.engine}, {self.device} {self.options.get('precision', 'fp32')}{tensorrt}"

    @property
    def batches(self) -> bool:
        """Whether it batches at all as it is set up."""
        return self.batching and self.options.get("max_batch_size") != "1"


def contender_facts(run: Run) -> list[ContenderFacts]:
    """Every contender of the experiment that has a trial, in the experiment's order."""
    known = {
        t.record.contender_name: t.record.contender for t in run.having("measurement", "search")
    }
    return [facts_of(known[name]) for name in run.manifest.experiment.contenders if name in known]


def facts_of(declared: Mapping[str, Any]) -> ContenderFacts:
    """The facts in a contender's declaration, as trial.json holds it."""
    fields = {field: declared.get(field) for field in ContenderFacts.model_fields}
    options = declared.get("options") or {}
    parts = declared.get("components")
    named = [] if isinstance(parts, int) else list(parts or ())
    texts = {name: _text(value) for name, value in options.items()}
    return ContenderFacts.model_validate(
        fields
        | {"n_components": len(named) or parts, "components": named}
        | {"form": _form(declared), "options": texts}
        | {"blocks_health": declared.get("blocks_health", False)}
        | {"simulated_device": declared.get("simulated_device", "")}
    )


def _form(declared: Mapping[str, Any]) -> str:
    """As recorded; older records do not name it, and one value was true of all but two cases."""
    if "form" in declared:
        return str(declared["form"])
    if declared.get("server") == "external":
        return "external"
    return "gateway" if (declared.get("options") or {}).get("triton_url") else "embedded"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
