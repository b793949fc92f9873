"""What an expression of client code is: something of tritonclient, an array, a list of tensors."""

import ast
from dataclasses import dataclass

from servers.triton_service.doctor.client_values import ClientTensor
from servers.triton_service.doctor.reading.client_arrays import (
    Array,
    Names,
    Shape,
    array_of,
    dotted,
    shape_of,
)


@dataclass(frozen=True)
class Object:
    """Something of tritonclient; kind is client, result or input."""

    kind: str
    module: str
    tensor: ClientTensor | None = None


Value = Object | Array | list[ClientTensor | None] | ast.expr | None
CLIENT = "InferenceServerClient"


class Scope:
    """What names stand for, in the function that is read."""

    def __init__(self, tree: ast.Module) -> None:
        self.names = Names.of(tree)
        self.function = ""
        self._known: dict[tuple[str, str], Value] = {}

    def remember(self, target: ast.expr, value: Value) -> None:
        name = dotted(target)
        self._known["" if name.startswith("self.") else self.function, name] = value

    def remember_client(self, argument: ast.arg) -> None:
        """A parameter whose annotation says that it is a client."""
        module = self.client_module(argument.annotation) if argument.annotation else ""
        if module:
            self._known[self.function, argument.arg] = Object("client", module)

    def client_module(self, node: ast.expr) -> str:
        """The module of the client class that is named; empty where it is none."""
        module, _, name = self.names.full(node).rpartition(".")
        return module if module.startswith("tritonclient.") and name == CLIENT else ""

    def value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Await):
            return self.value(node.value)
        if isinstance(node, ast.Call):
            return self._returned(node)
        if isinstance(node, ast.List):
            tensors = [self.tensor(each) for each in node.elts]
            return tensors if any(tensors) or not tensors else node
        if isinstance(node, ast.Subscript):
            items = self.value(node.value)
            return Object("input", "") if isinstance(items, list) else None
        if isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node)
            return self._known.get((self.function, name), self._known.get(("", name)))
        return node

    def _returned(self, node: ast.Call) -> Value:
        module = self.client_module(node.func)
        if module:
            return Object("client", module)
        full = self.names.full(node.func)
        if full.startswith("tritonclient.") and full.endswith(".InferInput"):
            return Object("input", full.rpartition(".")[0], self._new_tensor(node))
        if isinstance(node.func, ast.Attribute) and node.func.attr == "infer":
            owner = self.value(node.func.value)
            if isinstance(owner, Object) and owner.kind == "client":
                return Object("result", owner.module)
        return array_of(node, self.names, self.array)

    def array(self, node: ast.expr) -> Array | None:
        value = self.value(node)
        return value if isinstance(value, Array) else None

    def tensor(self, node: ast.expr) -> ClientTensor | None:
        value = self.value(node)
        return value.tensor if isinstance(value, Object) else None

    def text(self, node: ast.expr) -> str | None:
        value = self.value(node)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
        return None

    def _new_tensor(self, node: ast.Call) -> ClientTensor:
        given = arguments(node, "name", "shape", "datatype")
        return ClientTensor(
            name=self.text(given["name"]) if "name" in given else None,
            shape=self._shape(given["shape"]) if "shape" in given else None,
            datatype=self._datatype(given["datatype"]) if "datatype" in given else None,
            line=node.lineno,
        )

    def _shape(self, node: ast.expr) -> Shape | None:
        named = self.value(node) if isinstance(node, ast.Name) else node
        return shape_of(named, self.array) if isinstance(named, ast.expr) else None

    def _datatype(self, node: ast.expr) -> str | None:
        """Given as text, or by np_to_triton_dtype from an array whose type is known."""
        if isinstance(node, ast.Call) and self.names.full(node.func).endswith("to_triton_dtype"):
            given = node.args[0] if node.args else None
            owner = self.array(given.value) if isinstance(given, ast.Attribute) else None
            return owner.datatype if owner else None
        return self.text(node)


def arguments(node: ast.Call, *names: str) -> dict[str, ast.expr]:
    """What a call gives, by the names of its first parameters and its own keywords."""
    given = dict(zip(names, node.args, strict=False))
    return given | {each.arg: each.value for each in node.keywords if each.arg}
