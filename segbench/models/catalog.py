"""Which networks exist: one entry each, without loading torch."""

from __future__ import annotations

from segbench.registry import MODELS
from segbench.specs import ModelSpec

__all__: list[str] = []

TABLE_1 = "arXiv 1511.00561v3, section 3.1 and Table 1"

MODELS.add(
    ModelSpec(
        name="segnet-basic",
        paper_name="SegNet-Basic",
        factory="segbench.models.basic:segnet_basic",
        summary="4 encoders, 4 decoders that upsample with max-pooling indices",
        source=f"{TABLE_1}; SegNet-Tutorial Models/segnet_basic_train.prototxt",
        paper_parameters=1_425_000,
        convolution_weights=1_415_040,
        parameters=1_416_587,
    )
)
MODELS.add(
    ModelSpec(
        name="segnet-basic-encoder-addition",
        paper_name="SegNet-Basic-EncoderAddition",
        factory="segbench.models.basic:encoder_addition",
        summary="SegNet-Basic with the 64 pooled encoder maps added to each decoder's output",
        source=TABLE_1,
        paper_parameters=1_425_000,
        convolution_weights=1_415_040,
        parameters=1_416_587,
    )
)
MODELS.add(
    ModelSpec(
        name="segnet-basic-single-channel-decoder",
        paper_name="SegNet-Basic-SingleChannelDecoder",
        factory="segbench.models.basic:single_channel_decoder",
        summary="SegNet-Basic whose decoder filters see one channel each",
        source=TABLE_1,
        paper_parameters=625_000,
        convolution_weights=624_768,
        parameters=626_315,
    )
)
MODELS.add(
    ModelSpec(
        name="bilinear-interpolation",
        paper_name="Bilinear-Interpolation",
        factory="segbench.models.basic:bilinear_interpolation",
        summary="the same encoder, classified at the bottleneck, upsampled by fixed bilinear interpolation",
        source=TABLE_1,
        paper_parameters=625_000,
        convolution_weights=612_224,
        parameters=613_003,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-basic",
        paper_name="FCN-Basic",
        factory="segbench.models.fcn_basic:fcn_basic",
        summary="the same encoder, maps reduced to classes, learnt upsampling, encoder maps added",
        source=TABLE_1,
        paper_parameters=650_000,
        convolution_weights=645_312,
        parameters=646_124,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-basic-no-addition",
        paper_name="FCN-Basic-NoAddition",
        factory="segbench.models.fcn_basic:no_addition",
        summary="FCN-Basic without the added encoder maps",
        source=TABLE_1,
        paper_parameters=650_000,
        convolution_weights=643_200,
        parameters=643_979,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-basic-no-dim-reduction",
        paper_name="FCN-Basic-NoDimReduction",
        factory="segbench.models.fcn_basic:no_dim_reduction",
        summary="FCN-Basic that keeps all 64 maps while upsampling",
        source=TABLE_1,
        paper_parameters=1_625_000,
        convolution_weights=1_660_800,
        parameters=1_661_579,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-basic-no-addition-no-dim-reduction",
        paper_name="FCN-Basic-NoAddition-NoDimReduction",
        factory="segbench.models.fcn_basic:no_addition_no_dim_reduction",
        summary="64 maps, learnt upsampling, no added encoder maps",
        source=TABLE_1,
        paper_parameters=1_625_000,
        convolution_weights=1_660_800,
        parameters=1_661_579,
    )
)
