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

SEGNET_TUTORIAL = "SegNet-Tutorial Models"

MODELS.add(
    ModelSpec(
        name="segnet",
        paper_name="SegNet",
        factory="segbench.models.segnet:segnet",
        summary="VGG16's 13 convolutions and their mirror image, upsampling with max-pooling indices",
        source=f"arXiv 1511.00561v3, section 3; {SEGNET_TUTORIAL}/segnet_train.prototxt",
        convolution_weights=29_425_536,
        parameters=29_449_355,
    )
)
MODELS.add(
    ModelSpec(
        name="bayesian-segnet",
        paper_name="Bayesian SegNet",
        factory="segbench.models.bayesian:bayesian_segnet",
        summary="SegNet with dropout that stays on: mean and spread of several samples",
        source=f"arXiv 1511.02680; {SEGNET_TUTORIAL}/bayesian_segnet_train.prototxt",
        convolution_weights=29_425_536,
        parameters=29_449_355,
    )
)
MODELS.add(
    ModelSpec(
        name="bayesian-segnet-basic",
        paper_name="Bayesian SegNet-Basic",
        factory="segbench.models.bayesian:bayesian_segnet_basic",
        summary="SegNet-Basic with dropout that stays on: mean and spread of several samples",
        source=f"arXiv 1511.02680; {SEGNET_TUTORIAL}/bayesian_segnet_basic_train.prototxt",
        convolution_weights=1_415_040,
        parameters=1_416_587,
    )
)
FCN_RELEASE = "arXiv 1411.4038; shelhamer/fcn.berkeleyvision.org"
MODELS.add(
    ModelSpec(
        name="fcn",
        paper_name="FCN (learnt deconv)",
        factory="segbench.models.fcn:fcn_learnt",
        summary="FCN-8s on VGG16 with learnt upsampling",
        source=f"arXiv 1511.00561v3, section 4; {FCN_RELEASE} voc-fcn8s",
        convolution_weights=134_336_480,
        parameters=134_373_761,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-8s",
        paper_name="FCN-8s",
        factory="segbench.models.fcn:fcn_8s",
        summary="FCN on VGG16 with fixed bilinear upsampling and skips from pool4 and pool3",
        source=f"{FCN_RELEASE} voc-fcn8s",
        convolution_weights=134_301_632,
        parameters=134_338_913,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-16s",
        paper_name="FCN-16s",
        factory="segbench.models.fcn:fcn_16s",
        summary="FCN on VGG16 with fixed bilinear upsampling and a skip from pool4",
        source=f"{FCN_RELEASE} voc-fcn16s",
        convolution_weights=134_298_816,
        parameters=134_336_086,
    )
)
MODELS.add(
    ModelSpec(
        name="fcn-32s",
        paper_name="FCN-32s",
        factory="segbench.models.fcn:fcn_32s",
        summary="FCN on VGG16, upsampled 32 times bilinearly",
        source=f"{FCN_RELEASE} voc-fcn32s",
        convolution_weights=134_293_184,
        parameters=134_330_443,
    )
)
MODELS.add(
    ModelSpec(
        name="deeplab-largefov",
        paper_name="DeepLab-LargeFOV",
        factory="segbench.models.deeplab:deeplab_largefov",
        summary="VGG16 dilated to one score per 8 pixels with a large field of view, upsampled bilinearly",
        source="arXiv 1412.7062; arXiv 1511.00561v3, section 4",
        convolution_weights=20_488_896,
        parameters=20_507_723,
    )
)
MODELS.add(
    ModelSpec(
        name="deconvnet",
        paper_name="DeconvNet",
        factory="segbench.models.deconvnet:deconvnet",
        summary="VGG16 with a fully connected bottleneck of 1,024 maps, unpooling and deconvolutions",
        source="arXiv 1505.04366; HyeonwooNoh/DeconvNet; arXiv 1511.00561v3, section 4 (1,024 maps)",
        convolution_weights=81_885_568,
        parameters=81_917_259,
        min_size=224,
    )
)
MODELS.add(
    ModelSpec(
        name="segnet-replication",
        paper_name="SegNet, replication",
        factory="segbench.models.replication:segnet_replication",
        summary="SegNet whose upsampling repeats values instead of using indices",
        source="imlab-uiip/keras-segnet build_model.py",
        convolution_weights=29_425_536,
        parameters=29_449_355,
    )
)
MODELS.add(
    ModelSpec(
        name="segnet-basic-replication",
        paper_name="SegNet-Basic, replication",
        factory="segbench.models.replication:segnet_basic_replication",
        summary="SegNet-Basic whose upsampling repeats values instead of using indices",
        source="arXiv 1511.00561v3, section 3.1, which mentions upsampling by replication without numbers",
        convolution_weights=1_415_040,
        parameters=1_416_587,
    )
)
MODELS.add(
    ModelSpec(
        name="segnet-keras-basic",
        paper_name="SegNet-Basic (Keras)",
        factory="segbench.models.replication:segnet_keras_basic",
        summary="3x3 convolutions of 64 to 512 maps, repetition, input equalised channel by channel",
        source="pradyu1993/segnet",
        convolution_weights=5_458_304,
        parameters=5_464_075,
    )
)
