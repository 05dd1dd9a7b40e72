"""The operations that a program is made of, and their other names.

Whatever somebody may write in place of something else, without another computation, is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Composed(NamedTuple):
    """An operation that is written as others."""

    nbr_operands: int
    write: Callable[[Callable[[str, list], Any], list], Any]
    """From a function that makes an operation of operands, and the operands."""


TRANSPARENT = (
    *("identity", "cast", "to_float", "to_int64", "convert_to_tensor", "check_numerics", "Print"),
    *("astype", "asarray", "array", "constant", "reshape", "squeeze", "expand_dims", "transpose"),
)
"""Operations that leave their first operand as it is, for what is compared here."""
PLUMBING = (
    *("int", "float", "list", "tuple", "range", "enumerate", "zip", "print", "super", "map"),
    *("items", "values", "keys", "name_scope", "variable_scope", "as_default"),
    "trainable_variables",
)
"""Functions that say nothing about a solution."""
SYNONYMS = {
    **dict.fromkeys(("add", "add_n", "Add", "bias_add"), "+"),
    **dict.fromkeys(("multiply", "Mult"), "*"),
    **dict.fromkeys(("subtract", "Sub"), "-"),
    **dict.fromkeys(("divide", "truediv", "Div"), "/"),
    **dict.fromkeys(("Compare", "equal", "not_equal", "greater", "less", "Eq"), "compare"),
    **dict.fromkeys(("reduce_mean", "average"), "mean"),
    **dict.fromkeys(("reduce_sum", "count_nonzero"), "sum"),
    **dict.fromkeys(("normal", "standard_normal", "random_normal_initializer"), "random_normal"),
    **dict.fromkeys(("uniform", "random_uniform_initializer"), "random_uniform"),
    "truncated_normal_initializer": "truncated_normal",
    "zeros_initializer": "zeros",
    "get_variable": "Variable",
    "compute_gradients": "gradients",
    "MatMult": "matmul",
    "Pow": "pow",
    "sparse_categorical_crossentropy": "sparse_softmax_cross_entropy_with_logits",
}
"""Other names of operations."""
DTYPES = ("float32", "float64", "int32", "int64", "bool")
"""Types of numbers."""
SIZES = ("shape", "len", "size")
"""Ways to ask for a size."""
PIECES = ("split", "unstack", "gather", "slice", "strided_slice", "item", "each", "Subscript")
"""Ways to take a piece out of a value; they count as one, and a piece of a piece is a piece."""
COMMUTATIVE = ("+", "*", "-", "compare")
"""Operations whose operands have no order, for what is compared here."""
ASSOCIATIVE = ("+", "*")
"""Operations that are one with their operands of the same kind."""
COMPOSED = {
    "squared_difference": Composed(2, lambda make, v: make("square", [make("-", v[:2])])),
    "mean_squared_error": Composed(
        2, lambda make, v: make("mean", [make("square", [make("-", v[:2])])])
    ),
    "xw_plus_b": Composed(3, lambda make, v: make("+", [make("matmul", v[:2]), v[2]])),
    "relu_layer": Composed(
        3, lambda make, v: make("relu", [make("+", [make("matmul", v[:2]), v[2]])])
    ),
}
"""Operations that are written as others."""
COMMON_NUMBERS = (0, 1, 2)
"""Numbers that say nothing."""
