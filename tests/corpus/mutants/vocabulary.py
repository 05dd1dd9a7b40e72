"""What is put in the place of what, by the operators."""

from __future__ import annotations

import ast

TOKENS: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+", "/")),
    ast.Div: ("/", ("*",)),
    ast.Pow: ("**", ("*",)),
    ast.Eq: ("==", ("!=", ">=")),
    ast.NotEq: ("!=", ("==",)),
    ast.Gt: (">", ("<", ">=")),
    ast.Lt: ("<", (">", "<=")),
    ast.GtE: (">=", ("<", ">")),
    ast.LtE: ("<=", (">", "<")),
}
"""What an operator is written as, and what may stand in its place."""

FAMILIES = (
    ("sigmoid", "tanh", "relu", "softplus", "softsign", "identity"),
    ("reduce_mean", "reduce_sum", "reduce_max"),
    ("concat", "stack"),
    ("square", "abs", "sqrt"),
    ("argmax", "argmin"),
    ("mean", "sum", "max"),
    ("minimum", "maximum"),
    ("zeros", "ones"),
    (
        *("glorot_uniform_initializer", "glorot_normal_initializer", "orthogonal_initializer"),
        *("variance_scaling_initializer", "random_normal_initializer", "zeros_initializer"),
        *("random_uniform_initializer", "truncated_normal_initializer", "ones_initializer"),
    ),
    ("random_normal", "random_uniform", "truncated_normal", "zeros"),
    ("GradientDescentOptimizer", "AdamOptimizer", "AdagradOptimizer"),
    ("clip_by_global_norm", "clip_by_norm"),
    ("trainable_variables", "global_variables"),
    ("log_softmax", "softmax"),
    ("assign_sub", "assign_add", "assign"),
)
"""Functions that are easily taken for one another."""

CLIPS = (1.0, 3.0, 10.0)
"""Where a value may be clipped."""
WRAPPERS = (
    "tf.stop_gradient({})",
    *(f"tf.clip_by_value({{}}, -{clip}, {clip})" for clip in CLIPS),
    "tf.cast(tf.cast({}, tf.float16), tf.float32)",
    "tf.cast({}, tf.float64)",
    "tf.cast(tf.cast({}, tf.int32), tf.float32)",
    "tf.nn.dropout({}, rate=0.1)",
    "tf.reverse({}, [0])",
    "2.0 * ({})",
    "-({})",
)
"""What may be put around a tensor."""
NEUTRAL_WRAPPERS = (
    "tf.identity({})",
    "1.0 * ({})",
    "({}) + 0.0",
    "tf.cast({}, tf.float32)",
    "tf.stack([{}])[0]",
    "tf.debugging.check_numerics({}, 'a check')",
    "tf.transpose(tf.transpose({}))",
    "tf.minimum({0}, {0})",
)
"""What may be put around a tensor and changes nothing."""
NO_TENSORS = (
    *("_initializer", "Optimizer", "initializers.GlorotUniform", "initializers.Orthogonal"),
    *("State", "Result", "range", "zip", "len", "list", "setattr", "append", "variable_scope"),
    *("sess.run", "one_pass", "apply_gradients", "group", "add_to_collection"),
    *("_variables", "compute_gradients", "clip_by_global_norm", "get_global_step"),
)
"""How the names of functions end that return no tensor."""
REWRITTEN_CALLS = {
    "sigmoid": (
        "0.5 * (1.0 + tf.tanh(0.5 * ({0})))",
        "1.0 / (1.0 + tf.exp(-({0})))",
        "tf.math.sigmoid(({0}) + 2.5)",
    ),
    "tanh": ("2.0 * tf.sigmoid(2.0 * ({0})) - 1.0", "tf.math.tanh({0})"),
    "square": ("({0}) * ({0})", "({0}) ** 2", "tf.pow({0}, 2.0)"),
    "reduce_mean": (
        "tf.reduce_sum({0}) / tf.cast(tf.size({0}), tf.float32)",
        "tf.reduce_mean(tf.reduce_mean({0}, 0))",
    ),
    "matmul": (
        "tf.tensordot({0}, {1}, 1)",
        "tf.einsum('ij,jk->ik', {0}, {1})",
        "tf.transpose(tf.matmul({1}, {0}, transpose_a=True, transpose_b=True))",
        "tf.reduce_sum(({0})[:, :, tf.newaxis] * ({1})[tf.newaxis], axis=1)",
    ),
    "unstack": ("[each for each in tf.unstack({0})]", "tf.unstack({0}, axis=0)"),
    "concat": ("tf.concat(list({0}), axis={1})",),
    "size": ("tf.reduce_prod(tf.shape({0}))",),
    "len": ("int(np.shape({0})[0])",),
}
"""Other ways to write a call, most of them right, by the function's name."""
REWRITTEN_SUMS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Add: ("tf.add({0}, {1})", "tf.add_n([{0}, {1}])", "({0}) - (-({1}))"),
    ast.Sub: ("tf.subtract({0}, {1})", "-(({1}) - ({0}))"),
    ast.Mult: ("tf.multiply({0}, {1})",),
}
"""Other ways to write an operator."""
LINES = (
    "print('here')",
    "tf.get_variable('frozen', [2], trainable=False)",
    "tf.get_variable('more', [2])",
)
"""What may be inserted before a line."""
PLAIN_WRAPPERS = ("np.round({})", "int({})", "np.sort({})", "2 * ({})", "-({})", "({})[:1]")
"""What may be put around a value of NumPy."""
PLAIN_NEUTRAL_WRAPPERS = ("np.asarray({})", "1 * ({})", "({}) + 0", "np.minimum({0}, {0})")
"""What may be put around a value of NumPy and changes nothing."""
