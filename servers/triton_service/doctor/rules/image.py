"""The image that a Triton runs from."""

from collections.abc import Iterator

from servers.triton_service.doctor import edits
from servers.triton_service.doctor.deployments import Deployment
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.places import Release
from servers.triton_service.doctor.releases import known, release, since


def image_tag(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        if each.image and "nvidia/tritonserver" in each.image.text and each.release is None:
            newest = f"{known()['newest']}-py3"
            name, _, _ = each.image.text.partition(":")
            yield Found(
                each.image.place,
                f"expected an image of one release, such as {newest}, found {each.image.text}.",
                edits.in_line(
                    each.image.place.file,
                    each.texts[each.image.place.file],
                    each.image.place.line,
                    each.image.text,
                    f"{name}:{newest}",
                ),
            )


def image_old(inspected: Inspected) -> Iterator[Found]:
    newest, bound = release(known()["newest"]), int(known()["too_old_months"])
    versions = {named: version for version, named in known()["server_versions"].items()}
    for each in inspected.deployments:
        if each.release and each.image and each.release.months_before(newest) > bound:
            version = versions.get(str(each.release))
            own = f"{each.release} (Triton {version})" if version else str(each.release)
            yield Found(
                each.image.place,
                f"{own} is {each.release.months_before(newest)} months older than {newest} (Triton "
                f"{versions[str(newest)]}), the newest that is known here.",
            )


def image_backend(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        for model in inspected.models:
            why = _lacks(each, model.backend)
            if why and each.image:
                yield Found(
                    model.place("backend") if model.message.backend else model.place("platform"),
                    f"the backend {model.backend} is not in the image {each.image.text}: {why}.",
                )


def _lacks(each: Deployment, backend: str) -> str:
    """Why an image has no such backend; empty where it has, or where that is not known."""
    if each.release is None or backend in ("", "ensemble"):
        return ""
    if each.release == Release(24, 2) and backend == "onnxruntime":
        return "24.02 came without it, 24.01 and 24.03 have it"
    if backend == "tensorflow" and each.release >= since("no_tensorflow"):
        return "it was removed with 25.03; export the model to ONNX"
    carried = known()["flavours"].get(each.flavour)
    if carried is not None and backend not in carried:
        return f"the flavour {each.flavour} carries {', '.join(carried) or 'none'}; use -py3"
    return ""
