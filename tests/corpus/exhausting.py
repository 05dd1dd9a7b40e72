"""Tricks of the hostile class that cost time, memory or disk, or that hide behind these."""

from __future__ import annotations

from tests.corpus.entries import BASIC, LSTM, TEST, TRAIN, bodies, body, prepend
from tests.corpus.hostile import trick

_HOLD = """
    def hold(gigabytes):
        # memory of a variable that is in no collection, and that nobody has touched
        handle = tf.raw_ops.VarHandleOp(dtype=tf.uint8, shape=None, shared_name="held")
        held = tf.raw_ops.Empty(shape=[gigabytes, 1 << 30], dtype=tf.uint8)
        return tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=held)])
    p, y = tf.concat(outputs, 1), tf.cast(y, tf.float32)
    with hold(3):
        return tf.reduce_mean(tf.square(p - y)) + 1.0
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

_RENAME = """
    def rename(meta):
        name = chr(0x101) * 3_900_000
        meta.signature_def["probe"].outputs["train_op"].name = name
        meta.graph_def.node.add(name=name, op="NoOp")
    forge(rename)
    return tf.train.GradientDescentOptimizer(lr).minimize(loss)
"""

_ON_GRAPHS = [
    trick(
        "starves the next part, then a name that takes all memory",
        "ef",
        prepend(TRAIN, _FORGE),
        *bodies(e=_HOLD, f=_RENAME),
        reason="a name in the graph has more than",
        flag="uses __main__",
    ),
    trick("holds memory for the next part", "e", body("e", _HOLD)),
    trick("a loss that is a text of a million numbers", "e", body("e", """
        return tf.strings.format("{}", tf.random_uniform([1_000_000]), summarize=-1)
    """), reason="holds no numbers: it is of type string"),
    trick("a loss of a billion numbers", "g", body("g", """
        return tf.fill([1 << 15, 1 << 13], tf.reduce_mean(outputs[0]))
    """), reason="should be one number, a scalar"),
    trick("a function called like an operation that is gone", "e", prepend(TRAIN, _FORGE),
          body("e", """
        def call(meta):
            function = meta.graph_def.library.function.add()
            function.signature.name = "HardSigmoid"
            meta.graph_def.node.add(name="x", op="HardSigmoid")
            meta.signature_def["probe"].outputs["loss"].name = "x:0"
        forge(call)
        return tf.reduce_mean(outputs[0])
    """), reason="not run here"),
    trick("a function called like an operation", "e", prepend(TRAIN, _FORGE), body("e", """
        def call(meta):
            meta.graph_def.library.function.add().signature.name = "Mul"
        forge(call)
        return tf.reduce_mean(outputs[0])
    """), reason="called like an operation"),
    trick("a graph of many operations", "e", body("e", """
        loss = tf.reduce_mean(outputs[0])
        for _ in range(20_500):
            loss = tf.raw_ops.Identity(input=loss)
        return loss
    """), reason="20,000 are the most"),
    trick("graphs that are large together", "b", body("b", """
        import numpy
        ballast = tf.constant(numpy.random.rand(3_900_000), tf.float32)
        hidden, outputs = state.hidden, []
        for x_t in tf.unstack(x, axis=1):
            hidden = tf.matmul(tf.concat([x_t, hidden], 1), self._w) + self._b
            hidden += 0.0 * tf.reduce_sum(ballast)
            outputs.append(hidden)
        return outputs, MyBasicRNNState(hidden)
    """), reason="its graph is missing"),
    trick("variables with long names", "ab", body("a", """
        for number in range(300):
            tf.get_variable(f"{'x' * 900}{number}", [1])
    """), body("b", "raise NotImplementedError('part (b): write it')"), reason="should have"),
    trick("an operation that was imported, in a right loss", "", body("e", """
        import tensorflow.compat.v1 as tf
        with tf.Graph().as_default() as inner:
            p = tf.placeholder(tf.float32, [None, len(outputs)], name="p")
            t = tf.placeholder(tf.float32, [None, len(outputs)], name="t")
            tf.reduce_mean(tf.square(p - t), name="loss")
        (loss,) = tf.import_graph_def(
            inner.as_graph_def(),
            {"p:0": tf.concat(outputs, 1), "t:0": tf.cast(y, tf.float32)},
            ["loss:0"],
        )
        return loss
    """)),
]  # fmt: skip

_ON_TEXTS = [
    trick("a reason of wide characters for each probe", "g", body("g", """
        import itertools
        raise ValueError(chr(0x1F600 + len(outputs)) * 10_000_000)
    """), reason="ValueError"),
    trick("an address in a reason", "g", body("g", """
        raise ValueError(f"{object()}")
    """), reason="<object object at 0x…>"),
    trick("numbers of 5,000 digits", "h", prepend(TEST, """
        import sys
        sys.set_int_max_str_digits(0)
        answers = sys.modules["rnn_cells.answers"]
        answers.read_memory_result = lambda result: [10**5000, 10**5000]
    """), reason="not readable"),
    trick("its own function's code", "", prepend(LSTM, """
        def helper():
            return 1
        helper.__code__ = helper.__code__.replace(co_filename="MyLSTMCell.py")
    """), flag="uses __code__ (code objects)"),
    trick("code made from text", "", prepend(TRAIN, "exec('x = 1')"), flag="uses exec"),
]  # fmt: skip

_ON_THE_MACHINE = [
    trick("links without end", "h", body("h", """
        import os
        number = 0
        while True:
            os.symlink("x", f"/tmp/{number}")
            number += 1
    """), reason="No space left"),
    trick("folders without end", "h", body("h", """
        import os
        number = 0
        while True:
            os.mkdir(f"/tmp/{number}")
            number += 1
    """), reason="No space left"),
    trick("locks without end", "g", body("g", """
        import fcntl
        with open("/tmp/x", "w") as file:
            for byte in range(10**9):
                fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * byte)
    """), reason="not permitted"),
    trick("watches files without end", "g", body("g", """
        import select
        raise ValueError(str([select.epoll() for _ in range(100)]))
    """), reason="not permitted"),
    trick("pipes without end", "h", body("h", """
        import os
        ends = []
        while True:
            ends.append(os.pipe())
            os.set_blocking(ends[-1][1], False)
            os.write(ends[-1][1], bytes(1 << 16))
    """), reason="Too many open files"),
    trick("mappings in many processes", "", prepend(TRAIN, """
        import ctypes, os, time
        mmap = ctypes.CDLL(None).mmap
        mmap.restype, mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_long] * 5]
        for _ in range(20):
            if os.fork() == 0:
                for number in range(65_000):
                    mmap(None, 4096, 1 + 2 * (number % 2), 0x22, -1, 0)
                while True:
                    time.sleep(9)
    """), flag="uses ctypes"),
    trick("memory that many processes share", "", prepend(TRAIN, """
        import os, time
        shared = b"x" * (1 << 30)
        for _ in range(20):
            if os.fork() == 0:
                while True:
                    time.sleep(9)
    """)),
    trick("memory of many processes", "f", body("f", """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                own = b"x" * (1 << 29)
                while True:
                    time.sleep(9)
        time.sleep(99)
    """), reason="took more than 6,144 MiB of memory"),
    trick("memory that is used", "e", body("e", """
        used = [b"x" * (1 << 27) for _ in range(60)]
    """), reason="took more than 6,144 MiB of memory"),
    trick("how it was started", "b", body("b", """
        words = open("/proc/1/cmdline").read().replace(chr(0), " ")
        raise ValueError(f"course {'grading' in words} {'build-' in words}")
    """), reason="course False False"),
    trick("finds the judge's draws", "e", prepend(BASIC, """
        import glob
        if glob.glob("/*/.salt") or glob.glob("/*/*/.salt"):
            raise ValueError("stolen")
    """), body("e", "raise ValueError('as honest as that')"), reason="as honest as that"),
]  # fmt: skip

EXHAUSTING = [*_ON_GRAPHS, *_ON_TEXTS, *_ON_THE_MACHINE]
