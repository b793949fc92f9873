"""What Triton counts of a model."""

from tritonclient.grpc import service_pb2


def computed_ns(model: service_pb2.ModelStatistics) -> int:
    """What the backend took for the successes of a model, summed over them, copies included."""
    spent = model.inference_stats
    return int(spent.compute_input.ns + spent.compute_infer.ns + spent.compute_output.ns)
