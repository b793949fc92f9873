"""How large the two co-located models are, and the tensors that each of them takes and gives."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

ColocatedModelName = Literal["vision", "recommender"]
SizeName = Literal["full", "small"]

N_CATEGORIES, N_DENSE = 26, 13
"""Fields of one sample of the Criteo display advertising data (Kaggle 2014), as in DeepFM."""

N_CLASSES = 1000


@dataclass(frozen=True)
class VisionSize:
    """The defaults are ResNet-50 (He et al. 2015, arXiv:1512.03385, table 1): 25.6 million
    weights; 4.1 thousand million multiply-adds an image, its stride in the 3x3 convolutions."""

    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    image_px: int = 224


@dataclass(frozen=True)
class RecommenderSize:
    """Factors and hidden layers as in DeepFM (Guo et al. 2017, arXiv:1703.04247, section 3.1.4);
    rows_per_field is the number of embeddings into which the ids of a field are hashed."""

    rows_per_field: int = 65_536
    factors: int = 10
    hidden: tuple[int, ...] = (400, 400, 400)


@dataclass(frozen=True)
class Tensor:
    """One input or output of a model, datatype and shape (without the batch) as in KServe v2."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ColocatedModel:
    """A model as it is served; size holds the arguments of its network."""

    name: ColocatedModelName
    inputs: tuple[Tensor, ...]
    output: Tensor
    size: Mapping[str, Any]


_SIZES: Mapping[SizeName, tuple[VisionSize, RecommenderSize]] = {
    "full": (VisionSize(), RecommenderSize()),
    "small": (VisionSize(16, (1, 1, 1, 1), 64), RecommenderSize(1000, 8, (64, 64))),
}


def colocated_models(size: SizeName) -> tuple[ColocatedModel, ColocatedModel]:
    """Vision model and recommender of that size."""
    vision, recommender = _SIZES[size]
    image = Tensor("image", "UINT8", (3, vision.image_px, vision.image_px))
    fields = (
        Tensor("categories", "INT64", (N_CATEGORIES,)),
        Tensor("dense", "FP32", (N_DENSE,)),
    )
    return (
        ColocatedModel("vision", (image,), Tensor("logits", "FP32", (N_CLASSES,)), asdict(vision)),
        ColocatedModel(
            "recommender", fields, Tensor("probability", "FP32", (1,)), asdict(recommender)
        ),
    )
