"""PyTorch's operators: which multiply nothing, and what is said of those that are not layers.

Whatever is not known to multiply nothing is listed as left out: operators of other libraries, and those of a newer PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]
from torch.utils.flop_counter import flop_registry, sdpa_flop_count  # type: ignore[import-not-found,unused-ignore]

_NOTHING = """
abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d add alias_copy aminmax
arange as_strided as_strided_copy as_strided_scatter avg_pool1d avg_pool2d avg_pool3d batch_norm_elemt batch_norm_stats
bernoulli bincount bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor block_diag bucketize cat cauchy
celu channel_shuffle chunk_cat clone coalesce coalesced col2im complex conj_copy conj_physical constant_pad_nd copy
copy_from_and_resize copy_sparse_to_sparse copysign count_nonzero cummax cummin cumprod cumsum dequantize detach detach_copy
diag_embed diagonal_copy diagonal_scatter div elu embedding embedding_renorm empty_like empty_permuted empty_strided eq equal
expand_copy exponential fake_quantize_learnable_per_channel_affine fake_quantize_learnable_per_tensor_affine
fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask
fake_quantize_per_tensor_affine_cachemask_tensor_qparams fill flip floor_divide fractional_max_pool2d fractional_max_pool3d
full_like gather ge gelu geometric glu grid_sampler_2d grid_sampler_2d_cpu_fallback grid_sampler_3d gt hardshrink hardsigmoid
hardswish hardtanh histc im2col index index_add index_copy index_fill index_put index_put_impl index_reduce index_select
indices_copy int_repr isin isinf isnan kthvalue lazy_clone le leaky_relu lift lift_fresh lift_fresh_copy local_scalar_dense
log_normal log_sigmoid_forward log_softmax logcumsumexp lt make_per_channel_quantized_tensor make_per_tensor_quantized_tensor
masked_fill masked_scale masked_scatter masked_select masked_softmax max_pool2d_with_indices max_pool3d_with_indices
max_unpool2d max_unpool3d median mish mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mkldnn_max_pool3d
mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight mode mul multinomial nanmedian narrow_copy native_batch_norm
native_batch_norm_legit native_batch_norm_legit_functional native_batch_norm_legit_no_training native_dropout
native_group_norm native_layer_norm native_norm ne neg_view_copy nested_from_padded nested_from_padded_tensor
nested_tensor_from_mask nested_tensor_from_tensor_list nested_tensor_size new_empty new_empty_strided new_full new_ones
new_zeros nonzero nonzero_static norm normal normal_functional ones_like pack_padded_sequence permute_copy pin_memory
pixel_shuffle pixel_unshuffle poisson polar prelu_kernel prod put q_per_channel_scales q_per_channel_zero_points
quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_max_pool1d quantized_max_pool2d
quantized_max_pool3d rand_like randint_like randn_like random reflection_pad1d reflection_pad2d reflection_pad3d relu
remainder renorm repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape_alias_copy
reshape_copy resize resize_as resize_output roll rot90 rrelu_with_noise rrelu_with_noise_functional rsub safe_softmax scatter
scatter_add scatter_reduce searchsorted segment_reduce select_copy select_scatter set slice_copy slice_scatter softmax
softplus softshrink sort sparse_compressed_tensor sparse_coo_tensor sparse_coo_tensor_with_dims_and_tensors sparse_mask
sparse_softmax sparse_log_softmax sparse_sum spdiags split_copy split_with_sizes_copy squeeze squeeze_copy stack std_mean sub
sum t t_copy take thnn_fused_gru_cell thnn_fused_lstm_cell threshold to_copy to_dense to_mkldnn to_padded_tensor to_sparse
to_sparse_csc to_sparse_csr topk trace transform_bias_rescale_qkv transpose transpose_copy tril triu unbind_copy unfold_copy
uniform unique unique2 unique_consecutive unique_dim unique_dim_consecutive unsafe_index unsafe_index_put
unsafe_masked_index unsafe_masked_index_put_accumulate unsafe_split unsafe_split_with_sizes unsafe_view unsqueeze
unsqueeze_copy upsample_bicubic2d upsample_bicubic2d_aa upsample_bilinear2d upsample_bilinear2d_aa upsample_lanczos2d_aa
upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_nearest_exact1d upsample_nearest_exact2d
upsample_nearest_exact3d upsample_trilinear3d values_copy var_mean view_as_complex_copy view_as_real_copy view_copy
weight_norm_interface where xlogy zero zeros_like
"""
MULTIPLIES_NOTHING = frozenset(f"aten::{name}" for name in _NOTHING.split()) | {
    "torchvision::nms",
    "torchvision::roi_align",
    "torchvision::roi_pool",
}
"""By name without the underscores around it: what moves, compares, sums, pools, normalises or scales value by value.

PyTorch's own tags tell of further ones (`multiplies_nothing`)."""

_REASONS = {
    r"multi_head_attention|transformer_encoder_layer": "PyTorch's fused attention, projections included",
    r"attention": "fused attention: it multiplies activations by one another",
    r"^quantized|int4|int8|_int_mm|scaled_.*mm|dyn_quant": "a quantised operator: it multiplies integers at scales of its own",
    r"lstm|gru|rnn": "a recurrent layer that PyTorch runs in one operator",
    r"grouped_mm": "a grouped product: groups of rows are multiplied by different matrices",
    r"fft": "a Fourier transform",
    r"_trilinear": "a bilinear product: two inputs and the weights are multiplied by one another",
    r"embedding_bag": "it weights the rows of a table that it sums",
    r"dist": "distances, which PyTorch may compute by matrix products",
    r"linalg|cholesky|solve|matrix_exp": "linear algebra, which multiplies inside",
    r"conv": "a convolution of a kind that is not known here",
    r"sparse": "a product of sparse matrices",
}


def plain_name(name: str) -> str:
    """Return an operator's name as it is shown: without the library where it is PyTorch's own."""
    return name.removeprefix("aten::")


def multiplies_nothing(func: Any, given: Mapping[str, Any]) -> bool:
    """Whether an operator is known to do no product of matrices or vectors.

    Parameters
    ----------
    func : torch._ops.OpOverload
    given : mapping of str to object
        Its arguments by name.
    """
    library, _, base = func._schema.name.partition("::")
    if f"{library}::{base.strip('_')}" in MULTIPLIES_NOTHING:
        return True
    if library not in ("aten", "prim", "prims", "profiler"):
        return False
    if base in ("_embedding_bag", "_embedding_bag_forward_only"):
        return given.get("per_sample_weights") is None
    tags = {torch.Tag.pointwise, getattr(torch.Tag, "reduction", torch.Tag.pointwise)}
    return bool(tags & set(func.tags)) or func.is_view


def reason_of(name: str, holds_weights: bool) -> str:
    """Return why an operator that is no layer here is left out."""
    plain = plain_name(name)
    reason = next((text for words, text in _REASONS.items() if re.search(words, plain)), "an operator that is not known here")
    return reason + (" (it holds constant weights)" if holds_weights else "")


def count_macs(func: Any, args: Any, kwargs: Mapping[str, Any], result: Any) -> int | None:
    """Return the multiply-accumulates of an operation as it ran, padding included; None if they cannot be counted.

    By the formulas that come with PyTorch, which count two operations for each; and for what they do not know, recurrent layers
    and products with a vector among them.
    """
    name = plain_name(func._schema.name)
    if name == "_scaled_dot_product_flash_attention_for_cpu":
        return int(sdpa_flop_count(*(tensor.shape for tensor in args[:3]))) // 2  # type: ignore[no-untyped-call,unused-ignore]
    if name == "mkldnn_rnn_layer":
        return int(args[0].shape[0] * args[0].shape[1] * sum(weight.numel() for weight in args[1:3]))
    if name in ("mv", "dot", "vdot"):
        return int(args[0].numel())
    if name == "addmv":
        return int(args[1].numel())
    if name == "_sparse_addmm":  # zeros included, as of all weights
        return int(args[1].shape[0] * args[2].numel())
    formula = flop_registry.get(func._overloadpacket)
    return None if formula is None else int(formula(*args, **kwargs, out_val=result)) // 2
