"""Everything that was read: what the rules see."""

from dataclasses import dataclass

from servers.triton_service.doctor.client_values import ClientCode
from servers.triton_service.doctor.deployments import Deployment, ScriptLine
from servers.triton_service.doctor.models import Model
from servers.triton_service.doctor.places import Release
from servers.triton_service.doctor.running_values import RunningServer


@dataclass(frozen=True)
class Inspected:
    """Everything that was read, and what the rules see. release: of the Triton meant, as far as
    somebody said it."""

    models: tuple[Model, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    clients: tuple[ClientCode, ...] = ()
    script_lines: tuple[ScriptLine, ...] = ()
    servers: tuple[RunningServer, ...] = ()
    release: Release | None = None

    def model(self, name: str) -> Model | None:
        return next((model for model in self.models if model.name == name), None)

    @property
    def releases(self) -> tuple[Release, ...]:
        """Those that the repositories are meant for."""
        named = (deployment.release for deployment in self.deployments)
        return tuple(sorted({release for release in (self.release, *named) if release}))
