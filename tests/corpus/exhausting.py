"""Tricks of the hostile class that cost time, memory or disk, or that hide behind these."""

from __future__ import annotations

from tests.corpus.entries import TRAIN, bodies, body, prepend
from tests.corpus.hostile import trick

_UNLISTED = """
    def hold(gigabytes):
        # memory of a variable that is in no collection, and that nobody has touched
        handle = tf.raw_ops.VarHandleOp(dtype=tf.uint8, shape=None, shared_name="held")
        held = tf.raw_ops.Empty(shape=[gigabytes, 1 << 30], dtype=tf.uint8)
        return tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=held)])
"""

_FORGE = """
    import sys
    def forge(change):
        # the graph that is sent next is changed
        main = sys.modules["__main__"]
        original = main.export
        def export(graph, inputs, outputs, send, **facts):
            import tensorflow.compat.v1 as tf
            meta = tf.train.export_meta_graph(graph=graph)
            signature = meta.signature_def["probe"]
            for named, tensors in ((signature.inputs, inputs), (signature.outputs, outputs)):
                for name, tensor in tensors.items():
                    named[name].name = tensor.name
            change(meta)
            main.export = original
            send(meta.SerializeToString())
            return facts
        main.export = export
"""

EXHAUSTING = [
    trick(
        "starves the next part, then a name that takes all memory",
        "ef",
        prepend(TRAIN, _FORGE),
        *bodies(
            e=_UNLISTED
            + """
    p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
    with hold(3):
        return tf.reduce_mean(tf.square(p - y)) + 1.0
            """,
            f="""
    def rename(meta):
        name = chr(0x101) * 3_900_000
        meta.signature_def["probe"].outputs["train_op"].name = name
        meta.graph_def.node.add(name=name, op="NoOp")
    forge(rename)
    return tf.train.GradientDescentOptimizer(lr).minimize(loss)
            """,
        ),
        reason="a name in the graph has more than",
    ),
    trick(
        "holds memory for the next part",
        "e",
        body(
            "e",
            _UNLISTED
            + """
    p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
    with hold(3):
        return tf.reduce_mean(tf.square(p - y)) + 1.0
            """,
        ),
        reason="should be",
    ),
    trick(
        "a loss that is a text of a million numbers",
        "e",
        body(
            "e",
            """
    numbers = tf.random_uniform([1_000_000])
    return tf.strings.format("{}", numbers, summarize=-1)
            """,
        ),
        reason="holds no numbers: it is of type string",
    ),
]

EXHAUSTING_ARCHIVES = []
