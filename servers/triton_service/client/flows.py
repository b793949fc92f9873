"""What is asked of Triton, in which order: the same for all four clients."""

from collections.abc import Mapping, Sequence
from typing import Any

from servers.triton_service.client.arrays import (
    Array,
    Arrays,
    canary_inputs,
    checked_inputs,
    checked_outputs,
    wanted_outputs,
)
from servers.triton_service.client.calls import Call, Flow, asked
from servers.triton_service.client.chain import Step, check_chain
from servers.triton_service.client.errors import (
    AnswerError,
    BusyError,
    ClientError,
    FailedError,
    LateError,
    UnreachableError,
    UsageError,
)
from servers.triton_service.client.health import Health
from servers.triton_service.client.regions import Region, taken
from servers.triton_service.client.spec import ModelSpec, TensorSpec, model_spec, names_in_words
from servers.triton_service.client.waiting import Deadline, Retry, Terms
from servers.triton_service.client.wires import Dialect

Regions = Mapping[str, Region]
"""Of tensors by their names: those that do not go over the wire."""
_UNREGISTERING = Retry(attempts=8, first_pause_s=0.01)


class Flows:
    """Remembers what models are like. A model may be loaded anew in another form: nothing is
    refused by a description that was not just read."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._specs: dict[tuple[str, str], ModelSpec] = {}

    def model(self, name: str, version: str, terms: Terms) -> Flow[ModelSpec]:
        """As the server describes it now."""
        found = []
        for method in ("get_model_metadata", "get_model_config"):
            call = Call(
                f"model {name!r}", method, terms.deadline, (name, version), self._dialect.as_json
            )
            found.append((yield from asked(call, terms.retry)))
        metadata, config = found
        try:
            spec = model_spec(metadata, config.get("config", config))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AnswerError(
                f"model {name!r}: expected Triton's description of a model, found another answer "
                f"({error!r}): see what answers at the address."
            ) from error
        self._specs[name, version] = spec
        return spec

    def infer(
        self,
        name: str,
        given: Arrays,
        terms: Terms,
        outputs: Sequence[str] = (),
        version: str = "",
        regions: Regions | None = None,
    ) -> Flow[dict[str, Array]]:
        """The outputs of the names, or all."""
        spec, inputs = yield from self._checked(name, given, terms, version)
        wanted = wanted_outputs(spec, outputs)
        shared = dict(regions or {})
        _check_request(spec, inputs, wanted, terms, shared)
        with taken(list(shared.values())):
            call = self._request(spec, inputs, wanted, terms, version, shared)
            again_after = (BusyError,) if shared else (BusyError, UnreachableError)
            result = yield from asked(call, terms.retry, again_after)
            found = {t.name: _read(result, t, _region_of(t, inputs, shared)) for t in wanted}
            rows = len(next(iter(inputs.values()))) if spec.max_batch_size and inputs else None
            try:
                return checked_outputs(spec, wanted, found, rows)
            except AnswerError:
                spec = yield from self.model(name, version, terms)
                return checked_outputs(spec, wanted_outputs(spec, outputs), found, rows)

    def chain(self, steps: Sequence[Step], given: Arrays, terms: Terms) -> Flow[dict[str, Array]]:
        """All values that the steps make."""
        names = dict.fromkeys(step.model for step in steps)
        try:
            check_chain(steps, {name: self._specs[name, ""] for name in names}, given)
        except (KeyError, UsageError):  # not read yet, or what a model was like
            specs = {}
            for name in names:
                specs[name] = yield from self.model(name, "", terms)
            check_chain(steps, specs, given)
        values = dict(given)
        made: dict[str, Array] = {}
        for step in steps:
            found = yield from self.infer(
                step.model, step.arrays(values), terms, outputs=list(step.outputs)
            )
            named = {value: found[tensor] for tensor, value in step.outputs.items()}
            values |= named
            made |= named
        return made

    def health(self, canaries: Mapping[str, Arrays | None], within_s: float) -> Flow[Health]:
        """within_s is for each question: a model that hangs must not make others look dead."""
        try:
            live = yield from self._page("is_server_live", within_s)
            ready = yield from self._page("is_server_ready", within_s)
        except (LateError, UnreachableError) as error:
            return Health(False, False, dict.fromkeys(canaries, str(error)))
        problems = {}
        for name, given in canaries.items():
            terms = Terms(Deadline.starting_now(within_s))
            problems[name] = yield from self._canary(name, given, terms)
        return Health(live, ready, problems)

    def register(self, region: Region, terms: Terms) -> Flow[None]:
        method, args = region.registration
        yield from asked(Call(f"region {region.name!r}", method, terms.deadline, args), None)

    def unregister(self, region: Region, terms: Terms) -> Flow[None]:
        """Not while Triton may be at work in it: that ended Triton before 2.50, which refuses it.

        A server that is gone has forgotten the region, and one that has just answered may still
        count the request among those under way.
        """
        if region.is_in_use:
            return
        method, args = region.removal
        call = Call(f"region {region.name!r}", method, terms.deadline, args)
        try:
            yield from asked(call, _UNREGISTERING, again_after=(FailedError,))
        except UnreachableError:
            return

    def _checked(
        self, name: str, given: Arrays, terms: Terms, version: str
    ) -> Flow[tuple[ModelSpec, dict[str, Array]]]:
        spec = self._specs.get((name, version))
        if spec is not None:
            try:
                return spec, checked_inputs(spec, given)
            except UsageError:
                pass  # of what the model was like: see what it is like now
        spec = yield from self.model(name, version, terms)
        return spec, checked_inputs(spec, given)

    def _page(self, method: str, within_s: float) -> Flow[bool]:
        call = Call("the server", method, Deadline.starting_now(within_s))
        return bool((yield from asked(call, None)))

    def _canary(self, name: str, given: Arrays | None, terms: Terms) -> Flow[str]:
        try:
            if given is None:
                spec = yield from self.model(name, "", terms)
                given = canary_inputs(spec)
            yield from self.infer(name, given, terms)
        except ClientError as error:
            return str(error)
        return ""

    def _request(
        self,
        spec: ModelSpec,
        inputs: Arrays,
        wanted: Sequence[TensorSpec],
        terms: Terms,
        version: str,
        regions: Regions,
    ) -> Call:
        tensors, outputs = [], []
        for tensor in (each for each in spec.inputs if each.name in inputs):
            array = inputs[tensor.name]
            sent = self._dialect.tensor(tensor.name, list(array.shape), tensor.datatype)
            if tensor.name in regions:
                region = regions[tensor.name]
                sent.set_shared_memory(region.name, region.write(spec.about, tensor, array))
            else:
                sent.set_data_from_numpy(array)
            tensors.append(sent)
        for tensor in wanted:
            output = self._dialect.output(tensor.name)
            if (into := _region_of(tensor, inputs, regions)) is not None:
                output.set_shared_memory(into.name, into.byte_size)
            outputs.append(output)
        options = {"outputs": outputs, "model_version": version}
        return Call(spec.about, "infer", terms.deadline, (spec.name, tensors), options)


def _check_request(
    spec: ModelSpec,
    inputs: Arrays,
    wanted: Sequence[TensorSpec],
    terms: Terms,
    regions: Regions,
) -> None:
    if spec.decoupled:
        raise UsageError(
            f"{spec.about}: expected a model that answers once, found a decoupled one, which sends "
            "any number of answers: use the stream of tritonclient.grpc."
        )
    if spec.stateful and terms.retry:
        raise UsageError(
            f"{spec.about}: expected no retry, found one for a model with sequence batching, which "
            "remembers every request: leave it out."
        )
    known = [*inputs, *(tensor.name for tensor in wanted)]
    unknown = [name for name in regions if name not in known]
    if unknown:
        raise UsageError(
            f"{spec.about}: expected regions for tensors among {names_in_words(known)}, found "
            f"{names_in_words(unknown)}: correct the name."
        )


def _region_of(output: TensorSpec, inputs: Arrays, regions: Regions) -> Region | None:
    """An input and an output of one name are no one tensor: the region is the input's."""
    return None if output.name in inputs else regions.get(output.name)


def _read(result: Any, tensor: TensorSpec, region: Region | None) -> Array | None:
    if region is None:
        array: Array | None = result.as_numpy(tensor.name)
        return array
    output = result.get_output(tensor.name)
    if output is None:
        return None
    shape = output["shape"] if isinstance(output, Mapping) else output.shape
    return region.read(tensor, [int(size) for size in shape])
