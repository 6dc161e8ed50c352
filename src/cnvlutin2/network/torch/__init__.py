"""PyTorch modules: run, and their products caught below the modules.

`cnvlutin2.network.torch.torch_reader` and `executed_module` import without PyTorch; `dispatch_mode` loads it.
"""
