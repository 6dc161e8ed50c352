"""The `plain` engine: the model in NumPy, short and in the order of docs/model.md, to be read beside it.

`operands` is what the lanes see, `passes` what they do when, `engine` what that adds up to.
"""

from cnvlutin2.timing.plain.engine import PlainEngine
from cnvlutin2.timing.plain.operands import Operands
from cnvlutin2.timing.plain.passes import Pass, Walk

__all__ = ["Operands", "Pass", "PlainEngine", "Walk"]
