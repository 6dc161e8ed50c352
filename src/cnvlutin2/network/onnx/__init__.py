"""ONNX models: read safely, executed by onnxruntime, their layers' inputs captured.

`cnvlutin2.network.onnx.onnx_reader` imports quickly; the other modules load onnx and onnxruntime.
"""
