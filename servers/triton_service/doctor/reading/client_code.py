"""Reads what a Python file does with tritonclient, without running it."""

import ast
from pathlib import Path

from servers.triton_service.doctor.client_values import ClientCall, ClientCode, ClientInference
from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.reading.client_arrays import Array
from servers.triton_service.doctor.reading.client_values import CLIENT, Object, Scope, arguments
from servers.triton_service.doctor.reading.repository import read_text


def read_client(path: Path) -> ClientCode:
    """DoctorError where the file is no Python."""
    text = read_text(path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise DoctorError(
            f"expected Python in {path}, found what cannot be parsed"
            f"{f' in line {line}' if line else ''}: name the file of the client."
        ) from None
    reader = _Reader(tree)
    reader.visit(tree)
    return ClientCode(
        file=str(path),
        text=text,
        calls=tuple(reader.calls),
        inferences=tuple(reader.inferences),
        negative_ids=tuple(sorted(reader.negative_ids)),
        uses_shared_memory=min(reader.shared_memory, default=None),
    )


class _Reader(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self._scope = Scope(tree)
        self._in_coroutine = False
        self.calls: list[ClientCall] = []
        self.inferences: list[ClientInference] = []
        self.negative_ids: set[int] = set()
        self.shared_memory: list[int] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node, in_coroutine=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node, in_coroutine=True)

    def _visit_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, in_coroutine: bool
    ) -> None:
        outer = self._scope.function, self._in_coroutine
        self._scope.function, self._in_coroutine = node.name, in_coroutine
        for argument in node.args.args:
            self._scope.remember_client(argument)
        self.generic_visit(node)
        self._scope.function, self._in_coroutine = outer

    def visit_Import(self, node: ast.Import) -> None:
        self._note_shared_memory(node, *(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._note_shared_memory(node, *(f"{node.module}.{alias.name}" for alias in node.names))

    def _note_shared_memory(self, node: ast.stmt, *modules: str) -> None:
        if any(name.startswith("tritonclient.") and "shared_memory" in name for name in modules):
            self.shared_memory.append(node.lineno)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self._scope.remember(target, self._scope.value(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if node.value is not None:
            self._scope.remember(node.target, self._scope.value(node.value))

    def visit_With(self, node: ast.With) -> None:
        self._visit_with(node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self._visit_with(node)

    def _visit_with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self._scope.remember(item.optional_vars, self._scope.value(item.context_expr))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        module = self._scope.client_module(node.func)
        if module:
            self._note(node, "new", CLIENT, module, "")
        if isinstance(node.func, ast.Attribute):
            self._visit_method(node, node.func)

    def _visit_method(self, node: ast.Call, method: ast.Attribute) -> None:
        owner = self._scope.value(method.value)
        if isinstance(owner, list) and method.attr == "append" and node.args:
            owner.append(self._scope.tensor(node.args[0]))
        if isinstance(owner, Array) and method.attr == "astype" and owner.negative:
            self.negative_ids.add(node.lineno)
        if not isinstance(owner, Object):
            return
        self._note(node, owner.kind, method.attr, owner.module, ast.unparse(method.value))
        if "shared_memory" in method.attr:
            self.shared_memory.append(node.lineno)
        if owner.kind == "client" and method.attr in ("infer", "async_infer"):
            self.inferences.append(self._inference(node))

    def _note(self, node: ast.Call, kind: str, method: str, module: str, receiver: str) -> None:
        keywords = {each.arg: ast.unparse(each.value) for each in node.keywords if each.arg}
        self.calls.append(
            ClientCall(
                kind=kind,
                method=method,
                keywords=keywords,
                line=node.lineno,
                module=module,
                function=self._scope.function,
                receiver=receiver,
                in_coroutine=self._in_coroutine,
            )
        )

    def _inference(self, node: ast.Call) -> ClientInference:
        given = arguments(node, "model_name", "inputs")
        inputs = self._scope.value(given["inputs"]) if "inputs" in given else None
        tensors = tuple(inputs) if isinstance(inputs, list) else (None,)
        known = tuple(tensor for tensor in tensors if tensor is not None)
        model = self._scope.text(given["model_name"]) if "model_name" in given else None
        return ClientInference(model, known if len(known) == len(tensors) else None, node.lineno)
