"""Names and numpy arrays in client code, as far as its text tells them."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

Shape = tuple[int | None, ...]

_FILLED = ("numpy.zeros", "numpy.ones", "numpy.empty", "numpy.full")


@dataclass(frozen=True)
class Array:
    """A numpy array; datatype as Triton names it; negative: some of its numbers are below 0."""

    shape: Shape | None
    datatype: str | None
    negative: bool = False


@dataclass(frozen=True)
class Names:
    """What imported names stand for."""

    imported: Mapping[str, str]

    @classmethod
    def of(cls, tree: ast.Module) -> "Names":
        found = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return cls(found)

    def full(self, node: ast.expr) -> str:
        """tritonclient.grpc.InferInput, however it was imported; empty for anything else."""
        name = dotted(node)
        first, dot, rest = name.partition(".")
        return self.imported.get(first, first) + dot + rest


def dotted(node: ast.expr) -> str:
    """self.client for that attribute of that name; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def array_of(
    node: ast.Call, names: Names, known: Callable[[ast.expr], Array | None]
) -> Array | None:
    """The array that a call makes; None where its text does not say."""
    full = names.full(node.func)
    given = {each.arg: each.value for each in node.keywords if each.arg}
    if full in _FILLED and node.args:
        place = 2 if full == "numpy.full" else 1
        typed = given.get("dtype") or (node.args[place] if len(node.args) > place else None)
        return Array(shape_of(node.args[0], known), _type(typed, names) if typed else "FP64")
    if full == "numpy.random.randint":
        size = given.get("size") or (node.args[2] if len(node.args) > 2 else None)
        typed = given.get("dtype")
        shape = shape_of(size, known) if size else None
        return Array(shape, _type(typed, names) if typed else "INT64")
    if full == "numpy.random.randn":
        return Array(tuple(_whole(each) for each in node.args), "FP64", negative=True)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "astype" and node.args:
        before = known(node.func.value)
        return replace(before, datatype=_type(node.args[0], names)) if before else None
    return None


def shape_of(node: ast.expr, known: Callable[[ast.expr], Array | None]) -> Shape | None:
    """(1, 128) of a literal, of array.shape, or of list(array.shape)."""
    if isinstance(node, ast.Call) and dotted(node.func) in ("list", "tuple") and node.args:
        return shape_of(node.args[0], known)
    if isinstance(node, ast.Attribute) and node.attr == "shape":
        array = known(node.value)
        return array.shape if array else None
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return (node.value,)
    if isinstance(node, ast.List | ast.Tuple):
        if any(isinstance(each, ast.Starred) for each in node.elts):
            return None
        return tuple(_whole(each) for each in node.elts)
    return None


def _whole(node: ast.expr) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    return None


def _type(node: ast.expr, names: Names) -> str | None:
    name = names.full(node).rpartition(".")[2]
    if isinstance(node, ast.Constant):
        name = str(node.value)
    for prefix, ours in (("int", "INT"), ("uint", "UINT"), ("float", "FP")):
        if name.removeprefix(prefix).isdigit() and name.startswith(prefix):
            return ours + name.removeprefix(prefix)
    return {"bool": "BOOL", "bool_": "BOOL", "object": "BYTES", "object_": "BYTES"}.get(name)
