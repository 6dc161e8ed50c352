"""What all compiled code shares: how it is compiled, and vector primitives, each with its meaning in NumPy.

Kernels (in `encodings`, `numeric` and the compiled engine) are free functions over arrays and integers, decorated by `jit`. What
Numba cannot say in Python they say with primitives: functions whose Python body is their meaning, and which compiled code
replaces by LLVM's instructions (`primitive.instructions`). With Numba's compiler off (``NUMBA_DISABLE_JIT=1``) a kernel is plain
Python and a primitive its body; with ``NUMBA_BOUNDSCHECK=1`` the loads and stores of primitives are checked like Numba's own.

    choice       whether compiled code is wanted
    sizes        the vectors' sizes, and the names of their types in Python
    jit          how kernels are compiled
    kernel_cache what is kept of them from run to run
    compilation  who is told that one is about to be compiled
    primitive    what makes a primitive of a function
    llvm         Numba's types of the vectors, and what instructions are built of
    vectors      64 bytes, 64 words of 16 bits, and eight sums of such
    words        words of 64 bits
    narrow       arithmetic that stays as narrow as its operands
    scans        running sums, modulo the size of a row
    lookups      products of masks, a digit at a time

This module itself does not import Numba, which takes most of a second; nor do `choice`, `compilation` and `sizes`.
"""

from cnvlutin2.simd.choice import Kernels, uses_numba
from cnvlutin2.simd.sizes import LARGEST_ROW, VECTOR, Bytes64, Sums8x64, Words64x16

__all__ = ["LARGEST_ROW", "VECTOR", "Bytes64", "Kernels", "Sums8x64", "Words64x16", "uses_numba"]
