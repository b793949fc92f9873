# One image for every Python contender, for `prepare` and for Locust: one interpreter, one set of
# packages, all pinned by constraints.txt.
FROM python:3.11-slim-bookworm

# The package index's torch is built for CUDA and brings several GB of libraries; the contenders
# here run on the CPU. PyTorch publishes the same version without CUDA ("+cpu") on an index of its
# own, named on its installation page: give that as TORCH_INDEX_URL, and since "2.13.0+cpu" still
# meets the pin torch==2.13.0 and sorts above it, pip prefers it.
ARG TORCH_INDEX_URL=""

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /app
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt \
    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} --editable .

# A new named volume takes the owner of the folder it is mounted over.
RUN useradd --create-home --uid 1000 study \
    && install --directory --owner=study --group=study \
    /artefacts /repositories/native-cpu /repositories/native-tensorrt
USER study
