"""What the text of client code says, however it is written."""

from pathlib import Path

import pytest

from servers.triton_service.doctor.client_values import ClientCode
from servers.triton_service.doctor.reading.client_code import read_client


def read(here: Path, text: str) -> ClientCode:
    (here / "client.py").write_text(text)
    return read_client(Path("client.py"))


@pytest.mark.parametrize(
    ("imports", "made", "module"),
    [
        ("import tritonclient.grpc as g", "g.InferenceServerClient(u)", "tritonclient.grpc"),
        (
            "import tritonclient.http",
            "tritonclient.http.InferenceServerClient(u)",
            "tritonclient.http",
        ),
        (
            "from tritonclient.grpc import aio",
            "aio.InferenceServerClient(u)",
            "tritonclient.grpc.aio",
        ),
        ("from tritonclient.grpc import InferenceServerClient as C", "C(u)", "tritonclient.grpc"),
    ],
)
def test_a_client_is_known_by_its_import(here: Path, imports: str, made: str, module: str) -> None:
    code = read(here, f"{imports}\nclient = {made}\nclient.is_server_live()\n")
    (call,) = [call for call in code.calls if call.kind == "client"]
    assert (call.method, call.module, call.line) == ("is_server_live", module, 3)


@pytest.mark.parametrize(
    "made",
    [
        'inputs = [g.InferInput("ids", [1, 4], "INT64")]',
        'a = g.InferInput("ids", (1, 4), "INT64")\ninputs = [a]',
        'inputs = []\ninputs.append(g.InferInput("ids", [1, 4], "INT64"))',
        "x = np.zeros((1, 4), np.int64)\n"
        'inputs = [g.InferInput("ids", x.shape, np_to_triton_dtype(x.dtype))]',
        "x = np.random.randint(0, 9, size=(1, 4))\n"
        'inputs = [g.InferInput("ids", list(x.shape), "INT64")]',
        'N = "ids"\ninputs = [g.InferInput(name=N, shape=[1, 4], datatype="INT64")]',
    ],
)
def test_the_tensors_of_a_request_are_known(here: Path, made: str) -> None:
    code = read(
        here,
        "import numpy as np\nimport tritonclient.grpc as g\n"
        "from tritonclient.utils import np_to_triton_dtype\n"
        f'{made}\nclient = g.InferenceServerClient("u")\nclient.infer("bert", inputs=inputs)\n',
    )
    (inference,) = code.inferences
    assert inference.model == "bert"
    assert inference.tensors is not None
    (tensor,) = inference.tensors
    assert (tensor.name, tensor.shape, tensor.datatype) == ("ids", (1, 4), "INT64")


def test_what_only_running_the_code_would_tell_is_not_guessed(here: Path) -> None:
    code = read(
        here,
        "import tritonclient.grpc as g\n"
        "def ask(client: g.InferenceServerClient, model, inputs):\n"
        "    return client.infer(model, inputs)\n",
    )
    (inference,) = code.inferences
    assert (inference.model, inference.tensors) == (None, None)
