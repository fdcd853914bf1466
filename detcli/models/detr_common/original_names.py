"""Names that the original repositories of DETR and Deformable DETR share, and arguments of their training runs."""

from detcli.models.backbones.resnet_original import BODY
from detcli.models.conversion.original_names import NameRule

BACKBONE_NAMES: tuple[NameRule, ...] = (
    (BODY, "model.backbone.conv_encoder.model.", ()),
    ("backbone.1.row_embed.", "model.position_embedding.row_embeddings.", ()),
    ("backbone.1.col_embed.", "model.position_embedding.column_embeddings.", ()),
)
# Fields that tensors do not tell, and the arguments of main.py that set them.
ARGUMENTS_OF_FIELDS = {
    "encoder_attention_heads": ("nheads",),
    "decoder_attention_heads": ("nheads",),
    "activation_function": ("activation",),
    "num_queries": ("num_queries",),
    "two_stage_num_proposals": ("num_queries",),
}
# Arguments of main.py and the fields that they set.
LOSS_ARGUMENTS = {
    "dropout": "dropout",
    "set_cost_class": "class_cost",
    "set_cost_bbox": "bbox_cost",
    "set_cost_giou": "giou_cost",
    "mask_loss_coef": "mask_loss_coefficient",
    "dice_loss_coef": "dice_loss_coefficient",
    "bbox_loss_coef": "bbox_loss_coefficient",
    "giou_loss_coef": "giou_loss_coefficient",
}
