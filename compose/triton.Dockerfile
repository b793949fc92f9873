# 26.04 is Triton 2.68 with ONNX Runtime 1.24, TensorRT 10 and Python 3.12. README.md says why not
# an earlier or a later one.
FROM nvcr.io/nvidia/tritonserver:26.04-py3

# What tokenizer and decoder need in the Python backend, in the versions of every other contender.
# The image's Python is the system's own, which pip only changes when told to.
COPY constraints.txt /tmp/constraints.txt
RUN pip install --no-cache-dir --break-system-packages --constraint /tmp/constraints.txt \
    numpy tokenizers

# A new named volume takes the owner of the folder it is mounted over.
RUN install --directory --owner=triton-server /trt_cache
USER triton-server
