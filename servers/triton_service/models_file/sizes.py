"""How large the generated networks are; the defaults are those of the guide's three models."""

from typing import Annotated

from pydantic import Field, model_validator

from servers.triton_service.models_file.strict import Positive, Strict

Widths = Annotated[tuple[Positive, ...], Field(min_length=1)]


class BertSize(Strict):
    """input_ids, attention_mask -> logits. The defaults are bert-base-chinese with ten labels."""

    layers: Positive = 12
    width: Positive = 768
    heads: Positive = 12
    intermediate: Positive = 3072
    vocabulary_size: Positive = 21128
    max_positions: Positive = 512
    labels: Positive = 10

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "BertSize":
        if self.width % self.heads:
            raise ValueError(f"expected a width that {self.heads} heads divide, found {self.width}")
        return self


class ResNetSize(Strict):
    """image -> logits. The defaults are ResNet-50 (He et al. 2015, arXiv:1512.03385, table 1): 25.6
    million weights; 4.1 thousand million multiply-adds an image, its stride in the 3x3
    convolutions."""

    width: Positive = 64
    blocks: Widths = (3, 4, 6, 3)
    image_px: Positive = 224


class DeepFmSize(Strict):
    """categories, dense -> probability. Factors and hidden layers are by default as in DeepFM (Guo
    et al. 2017, arXiv:1703.04247, section 3.1.4); rows_per_field is the number of embeddings into
    which the ids of a field are hashed."""

    rows_per_field: Positive = 65_536
    factors: Positive = 10
    hidden: Widths = (400, 400, 400)
