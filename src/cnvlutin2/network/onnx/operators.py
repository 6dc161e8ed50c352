"""What is known of ONNX's operators: which multiply nothing, and why others that multiply are left out.

To multiply is to contract: by weights, or two activations. Pooling, normalisation, interpolation and whatever takes element by
element does not count (docs/model.md). An operator that stands in neither list is left out too, for nobody knows what it does.
"""

from __future__ import annotations

import onnx

ONNX_DOMAINS = frozenset({"", "ai.onnx"})

_NOTHING = {
    "": """
        Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli BitCast
        BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip
        Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Cos Cosh CumProd CumSum DepthToSpace
        DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
        GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample
        GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder
        InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop
        LpNormalization LpPool Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min
        Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Optional
        OptionalGetElement OptionalHasElement Or PRelu Pad Pow QuantizeLinear RMSNormalization RandomNormal
        RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
        ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu
        Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round Scan Scatter ScatterElements ScatterND Selu
        SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape
        Shrink Sigmoid Sign SimplifiedLayerNormalization Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus
        Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze StringConcat StringNormalizer StringSplit Sub Sum
        SwiGLU Swish Tan Tanh TensorScatter TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze
        Upsample Where Xor
    """,
    "ai.onnx.ml": """
        ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer LabelEncoder
        Normalizer OneHotEncoder Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap
    """,
    "com.microsoft": """
        BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BitmaskBiasDropout BitmaskDropout DequantizeLinear
        EmbedLayerNormalization ExpandDims FastGelu GatherBlockQuantized GatherND Gelu GridSample GroupNorm
        IsAllFinite MaxpoolWithMask MurmurHash3 NGramRepeatBlock NhwcMaxPool Pad QLinearAdd QLinearAveragePool
        QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid
        QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu Range ReduceSumInteger RemovePadding RestorePadding
        RotaryEmbedding SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization SwiGLU Tokenizer
        TorchEmbedding Trilu UnfoldTensor Unique
    """,
}
MULTIPLY_NOTHING = {domain: frozenset(names.split()) for domain, names in _NOTHING.items()}
"""By domain."""

INTEGERS = "multiplies integers that were quantised elsewhere; export the network in floating point or with QuantizeLinear pairs"
TWO_ACTIVATIONS = "multiplies two activations: it has no constant weights"
_RECURRENT = "recurrent: its products depend on its own earlier outputs"
_ATTENTION = "attention: it multiplies activations by activations"
_ATTRIBUTES = "its coefficients are attributes; export it as Gemm"
_FUSED = "a fused operator of onnxruntime; give the model as it was exported, before it was optimised"
_PACKED = "its weights are packed; export the network in floating point or with QuantizeLinear pairs"

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
"""Of the ONNX domain: layers, if their weights are constant and their shapes have a meaning here."""
REASONS = {
    "": {
        "AffineGrid": "multiplies coordinates by a matrix that is computed",
        "Attention": _ATTENTION,
        "CausalConvWithState": "a convolution that carries a state from call to call; export it as Pad and Conv",
        "ConvInteger": INTEGERS,
        "ConvTranspose": "transposed convolution",
        "DFT": "a Fourier transform: its factors are no weights",
        "DeformConv": "deformable convolution: it multiplies interpolated values",
        "Det": "a determinant: it multiplies activations by activations",
        "Einsum": "a general tensor contraction; export it as MatMul",
        "GRU": _RECURRENT,
        "LSTM": _RECURRENT,
        "LinearAttention": _ATTENTION,
        "MatMulInteger": INTEGERS,
        "QLinearConv": INTEGERS,
        "QLinearMatMul": INTEGERS,
        "RNN": _RECURRENT,
        "STFT": "a Fourier transform: its factors are no weights",
    },
    "ai.onnx.ml": {
        "LinearClassifier": _ATTRIBUTES,
        "LinearRegressor": _ATTRIBUTES,
        "SVMClassifier": _ATTRIBUTES,
        "SVMRegressor": _ATTRIBUTES,
    },
    "ai.onnx.preview": {"FlexAttention": _ATTENTION},
    "com.microsoft": {
        **dict.fromkeys(
            ("FusedConv", "FusedGemm", "FusedMatMul", "FusedMatMulActivation", "GemmFastGelu", "TransposeMatMul"), _FUSED
        ),
        **dict.fromkeys(("NhwcConv", "NhwcFusedConv", "ConvTransposeWithDynamicPads"), _FUSED),
        **dict.fromkeys(
            ("Attention", "MultiHeadAttention", "GroupQueryAttention", "PagedAttention", "SparseAttention"), _ATTENTION
        ),
        **dict.fromkeys(("DecoderMaskedMultiHeadAttention", "PackedMultiHeadAttention", "LinearAttention"), _ATTENTION),
        **dict.fromkeys(("QLinearConv", "QGemm", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger16"), INTEGERS),
        **dict.fromkeys(("QAttention", "QOrderedMatMul", "QOrderedAttention"), INTEGERS),
        **dict.fromkeys(("MatMulNBits", "MatMulBnb4", "MatMulFpQ4", "GemmFloat8", "QMoE"), _PACKED),
        **dict.fromkeys(("AttnLSTM", "DynamicQuantizeLSTM"), _RECURRENT),
        "CausalConvWithState": "a convolution that carries a state from call to call; export it as Pad and Conv",
    },
}
"""Why what multiplies is left out, by domain and operator; others than these, and than `LAYERS`, are not known."""


def domain_of(node: onnx.NodeProto) -> str:
    """Return the domain of a node's operator, by its one name."""
    return "" if node.domain in ONNX_DOMAINS else str(node.domain)


def multiplies_nothing(node: onnx.NodeProto) -> bool:
    """Whether a node is known to multiply nothing, but for what is inside the bodies that it may have."""
    if domain_of(node) == "" and node.op_type == "Einsum":
        equation = next((attribute.s for attribute in node.attribute if attribute.name == "equation"), b"")
        return b"," not in equation  # of one operand: sums, transposes, diagonals
    return node.op_type in MULTIPLY_NOTHING.get(domain_of(node), ())


def reason_left_out(node: onnx.NodeProto) -> str | None:
    """Return why a node that multiplies, or may, is left out; None for `LAYERS`, where it depends."""
    domain = domain_of(node)
    if domain == "" and node.op_type in LAYERS:
        return None
    if domain == "":
        return REASONS[domain].get(node.op_type, "an operator that is not known here, and may multiply")
    what = f"an operator of domain {domain!r} that is not known here, and may multiply"
    return REASONS.get(domain, {}).get(node.op_type, what)
