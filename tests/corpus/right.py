"""Right solutions in other styles: each earns all points."""

from __future__ import annotations

from tests.corpus.entries import BASIC, LSTM, TEST, TRAIN, Entry, bodies, body, change, prepend

BASIC_LOOP = """
    hidden, outputs = state.hidden, []
    for t in range(x.shape[1]):
        hidden = {step}
        outputs.append(hidden)
    return outputs, MyBasicRNNState(hidden)
"""
LSTM_LOOP = """
    hidden, cell, outputs = state.hidden, state.cell, []
    for t in range(int(x.shape[1])):
        {gates}
        cell = tf.nn.sigmoid(f) * cell + tf.nn.sigmoid(i) * tf.nn.tanh(j)
        hidden = tf.nn.sigmoid(o) * tf.nn.tanh(cell)
        outputs.append(hidden)
    return outputs, MyLSTMState(hidden, cell)
"""
SEPARATE = """
    init = tf.random_normal_initializer(stddev=0.1)
    with tf.variable_scope("lstm", reuse=tf.AUTO_REUSE):
        for gate in "ijfo":
            setattr(self, "u_" + gate, tf.get_variable("U" + gate, [n_inp, n_out], initializer=init))
            setattr(self, "w_" + gate, tf.get_variable("W" + gate, [n_out, n_out], initializer=init))
            setattr(self, "b_" + gate, tf.get_variable("b" + gate, [n_out],
                                                       initializer=tf.zeros_initializer()))
"""
SEPARATE_GATES = """i, j, f, o = (
            tf.matmul(x[:, t], getattr(self, "u_" + gate))
            + tf.matmul(hidden, getattr(self, "w_" + gate))
            + getattr(self, "b_" + gate)
            for gate in "ijfo"
        )"""
FUSED = """
    self.kernel = tf.Variable(tf.truncated_normal({shape}, stddev=0.1), name="kernel")
    self.bias = tf.Variable(tf.zeros([4 * n_out]))
"""


def _lstm(init: str, gates: str) -> tuple:
    return bodies(c=init, d=LSTM_LOOP.format(gates=gates))


def _basic(init: str, step: str) -> tuple:
    return bodies(a=init, b=BASIC_LOOP.format(step=step))


_GLOROT = """
    self.w = tf.get_variable("weights", [n_inp + n_out, n_out])
    self.b = tf.get_variable("bias", [n_out], initializer=tf.zeros_initializer())
"""
_CONCATENATED = "tf.matmul(tf.concat([x[:, t, :], hidden], 1), self.w) + self.b"

RIGHT = [
    Entry("the reference", ()),
    Entry("basic: one matrix, Glorot, concatenation in each step", _basic(_GLOROT, _CONCATENATED)),
    Entry(
        "basic: hidden state first, then the input",
        _basic(_GLOROT, "tf.matmul(tf.concat([hidden, x[:, t]], -1), self.w) + self.b"),
    ),
    Entry("basic: tanh", _basic(_GLOROT, f"tf.tanh({_CONCATENATED})")),
    Entry("basic: ReLU", _basic(_GLOROT, f"tf.nn.relu({_CONCATENATED})")),
    Entry("basic: sigmoid", _basic(_GLOROT, f"tf.sigmoid({_CONCATENATED})")),
    Entry(
        "basic: two matrices, identity, NumPy values",
        _basic(
            """
            self.u = tf.Variable(
                np.random.normal(0, 0.1, [n_inp, n_out]).astype("float32"), name="U"
            )
            self.v = tf.Variable(np.eye(n_out, dtype=np.float32), name="V")
            self.c = tf.Variable(np.zeros([1, n_out], np.float32))
            """,
            "tf.matmul(x[:, t], self.u) + tf.matmul(hidden, self.v) + self.c",
        )
        + (prepend(BASIC, "import numpy as np"),),
    ),
    Entry(
        "basic: transposed matrices, bias by tf.nn.bias_add",
        _basic(
            """
            self.u = tf.Variable(tf.random_uniform([n_out, n_inp], -0.1, 0.1))
            self.v = tf.Variable(tf.random_normal([n_out, n_out], stddev=n_out**-0.5))
            self.c = tf.Variable(tf.random_normal([n_out]))
            """,
            "tf.nn.bias_add(tf.matmul(x[:, t], self.u, transpose_b=True)"
            " + tf.matmul(hidden, self.v, transpose_b=True), self.c)",
        ),
    ),
    Entry(
        "basic: a bias of the input's and one of the state's weights in tf.nn.xw_plus_b",
        _basic(_GLOROT, "tf.nn.xw_plus_b(tf.concat([x[:, t], hidden], 1), self.w, self.b)"),
    ),
    Entry(
        "basic: variables of the old kind",
        _basic(
            """
            self.w = tf.get_variable("w", [n_inp + n_out, n_out], use_resource=False)
            self.b = tf.get_variable("b", initializer=tf.zeros([n_out]), use_resource=False)
            """,
            _CONCATENATED,
        ),
    ),
    Entry("lstm: twelve variables", _lstm(SEPARATE, SEPARATE_GATES)),
    Entry(
        "lstm: gates f, i, o, j, cut out of one product",
        _lstm(
            FUSED.format(shape="[n_inp + n_out, 4 * n_out]"),
            """z = tf.matmul(tf.concat([x[:, t], hidden], 1), self.kernel) + self.bias
        n = self._n_out
        f, i, o, j = z[:, :n], z[:, n:2 * n], z[:, 2 * n:3 * n], z[:, 3 * n:]""",
        ),
    ),
    Entry(
        "lstm: a constant forget bias, hidden state first",
        _lstm(
            FUSED.format(shape="[n_out + n_inp, 4 * n_out]"),
            """z = tf.matmul(tf.concat([hidden, x[:, t]], 1), self.kernel) + self.bias
        i, j, f, o = tf.split(value=z, num_or_size_splits=4, axis=1)
        f = f + 1.0""",
        ),
    ),
    Entry(
        "lstm: transposed",
        _lstm(
            FUSED.format(shape="[4 * n_out, n_out + n_inp]"),
            """v = tf.concat([x[:, t], hidden], 1)
        z = tf.transpose(tf.matmul(self.kernel, v, transpose_b=True)) + self.bias
        o, f, j, i = tf.split(z, 4, 1)""",
        ),
    ),
    Entry(
        "lstm: one tensor of rank 3",
        _lstm(
            """
            self.kernel = tf.get_variable("k", [4, n_inp + n_out, n_out],
                                          initializer=tf.random_uniform_initializer(-0.1, 0.1))
            self.bias = tf.get_variable("b", [4, 1, n_out], initializer=tf.ones_initializer())
            """,
            """v = tf.tile(tf.concat([x[:, t], hidden], 1)[tf.newaxis], [4, 1, 1])
        i, j, f, o = tf.unstack(tf.matmul(v, self.kernel) + self.bias)""",
        ),
    ),
    Entry(
        "lstm: the bias is the kernel's last row",
        _lstm(
            """
            self.kernel = tf.get_variable("k", [n_inp + n_out + 1, 4 * n_out])
            """,
            """v = tf.concat([x[:, t], hidden, tf.ones_like(hidden[:, :1])], axis=1)
        i, j, f, o = tf.split(tf.matmul(v, self.kernel), 4, axis=1)""",
        ),
    ),
    Entry(
        "lstm: lists of variables, einsum",
        _lstm(
            """
            self.ws = [tf.Variable(tf.orthogonal_initializer()([n_inp + n_out, n_out]))
                       for _ in range(4)]
            self.bs = [tf.Variable(tf.zeros([n_out])) for _ in range(4)]
            """,
            """v = tf.concat([x[:, t], hidden], axis=-1)
        i, j, f, o = [tf.einsum("br,rh->bh", v, w) + b for w, b in zip(self.ws, self.bs)]""",
        ),
    ),
    Entry(
        "lstm: biases of the input's weights alone, input and recurrent kernels",
        _lstm(
            """
            self.u = tf.get_variable("input_kernel", [n_inp, 4 * n_out])
            self.v = tf.get_variable("recurrent_kernel", [n_out, 4 * n_out],
                                     initializer=tf.orthogonal_initializer())
            self.b = tf.get_variable("bias", [4 * n_out], initializer=tf.zeros_initializer())
            """,
            """i, f, j, o = tf.split(
            tf.nn.xw_plus_b(x[:, t], self.u, self.b) + tf.matmul(hidden, self.v), 4, 1
        )""",
        ),
    ),
    Entry(
        "lstm: a zero bias held as a matrix, einsum",
        _lstm(
            """
            self.k = tf.get_variable("k", [n_inp, 4, n_out])
            self.u = tf.get_variable("u", [n_out, 4, n_out])
            self.b = tf.get_variable("b", [4, n_out], initializer=tf.zeros_initializer())
            """,
            """z = tf.einsum("bi,igh->bgh", x[:, t], self.k) + self.b
        z += tf.einsum("bi,igh->bgh", hidden, self.u)
        i, f, j, o = tf.unstack(z, axis=1)""",
        ),
    ),
    *[
        Entry(
            f"lstm: {name}",
            _lstm(
                FUSED.format(shape="[n_inp + n_out, 4 * n_out]") + more,
                f"""z = tf.matmul(tf.concat([x[:, t], hidden], 1), self.kernel) + self.bias
        i, j, f, o = tf.split(z, 4, axis=1)
        f = f + {constant}""",
            ),
        )
        for name, constant, more in (
            ("a constant forget bias of 1.5", "1.5", ""),
            ("a constant forget bias of 4", "4.0", ""),
            ("a constant forget bias below 0", "(-1.0)", ""),
            (
                "a frozen forget bias",
                "self.forget_bias",
                """
    self.forget_bias = tf.get_variable("forget_bias", initializer=1.0, trainable=False)
""",
            ),
            (
                "a frozen forget bias in a local variable",
                "self.forget_bias",
                """
    self.forget_bias = tf.get_variable("forget_bias", initializer=1.0, trainable=False,
                                       collections=[tf.GraphKeys.LOCAL_VARIABLES])
""",
            ),
        )
    ],
    Entry(
        "basic: orthogonal by a singular value decomposition",
        _basic(
            """
            _, left, right = tf.svd(tf.random_normal([n_out, n_out]))
            self.w = tf.Variable(tf.concat([tf.random_normal([n_inp, n_out], stddev=0.1),
                                            tf.matmul(left, right, transpose_b=True)], 0))
            self.b = tf.Variable(tf.zeros([n_out]))
            """,
            _CONCATENATED,
        ),
    ),
    Entry(
        "basic: scaled by the largest eigenvalue, in a loop",
        _basic(
            """
            drawn = tf.random_normal([n_out, n_out], stddev=n_out**-0.5)
            vector = tf.while_loop(lambda i, v: i < 20,
                                   lambda i, v: (i + 1, tf.nn.l2_normalize(tf.matmul(drawn, v))),
                                   [0, tf.ones([n_out, 1])])[1]
            drawn /= tf.norm(tf.matmul(drawn, vector))
            inputs = tf.random_normal([n_inp, n_out], stddev=0.1)
            self.w = tf.Variable(lambda: tf.concat([inputs, drawn], 0), shape=[n_inp + n_out, n_out])
            self.b = tf.Variable(tf.zeros([n_out]))
            """,
            _CONCATENATED,
        ),
    ),
    Entry(
        "basic: a dense layer as a linear map",
        _basic(
            """
            self.layer = tf.keras.layers.Dense(n_out)
            self.layer.build([None, n_inp + n_out])
            """,
            "self.layer(tf.concat([x[:, t], hidden], 1))",
        ),
    ),
    Entry(
        "lstm: dense layers as linear maps",
        _lstm(
            """
            self.layers = [tf.keras.layers.Dense(n_out) for _ in range(4)]
            for layer in self.layers:
                layer.build([None, n_inp + n_out])
            """,
            """v = tf.concat([x[:, t], hidden], 1)
        i, j, f, o = [layer(v) for layer in self.layers]""",
        ),
    ),
    Entry(
        "lstm: one flat vector of all weights",
        _lstm(
            """
            self.sizes = [(n_inp + n_out) * 4 * n_out, 4 * n_out]
            self.all = tf.Variable(tf.random_normal([sum(self.sizes)], stddev=0.1))
            """,
            """kernel, bias = tf.split(self.all, self.sizes)
        kernel = tf.reshape(kernel, [-1, 4 * self._n_out])
        z = tf.matmul(tf.concat([x[:, t], hidden], 1), kernel) + bias
        i, j, f, o = tf.split(z, 4, axis=1)""",
        ),
    ),
    Entry(
        "lstm: gates gathered out of one matrix",
        _lstm(
            FUSED.format(shape="[4 * n_out, n_inp + n_out]"),
            """v = tf.concat([x[:, t], hidden], 1)
        i, j, f, o = [
            tf.matmul(v, tf.gather(self.kernel, rows), transpose_b=True) + tf.gather(self.bias, rows)
            for rows in np.arange(4 * self._n_out).reshape(-1, 4).T
        ]""",
        )
        + (prepend(LSTM, "import numpy as np"),),
    ),
    Entry(
        "basic: a column for each unit",
        _basic(
            """
            self.columns = [tf.Variable(tf.random_normal([n_inp + n_out, 1], stddev=0.05))
                            for _ in range(n_out)]
            self.biases = [tf.Variable(0.0) for _ in range(n_out)]
            """,
            """tf.concat([tf.matmul(tf.concat([x[:, t], hidden], 1), w) + b
                            for w, b in zip(self.columns, self.biases)], 1)""",
        ),
    ),
    Entry(
        "lstm: two biases, as in PyTorch",
        _lstm(
            """
            init = tf.random_uniform_initializer(-0.1, 0.1)
            self.w_ih = tf.get_variable("w_ih", [4 * n_out, n_inp], initializer=init)
            self.w_hh = tf.get_variable("w_hh", [4 * n_out, n_out], initializer=init)
            self.b_ih = tf.get_variable("b_ih", [4 * n_out], initializer=init)
            self.b_hh = tf.get_variable("b_hh", [4 * n_out], initializer=init)
            """,
            """z = tf.matmul(x[:, t], self.w_ih, transpose_b=True) + self.b_ih
        z += tf.matmul(hidden, self.w_hh, transpose_b=True) + self.b_hh
        i, f, j, o = tf.split(z, 4, axis=1)""",
        ),
    ),
    Entry(
        "e: tf.losses", bodies(e="return tf.losses.mean_squared_error(y, tf.concat(outputs, 1))")
    ),
    Entry(
        "e: step by step",
        bodies(
            e="""
            y = tf.cast(y, tf.float32)
            total = 0.0
            for t, output in enumerate(outputs):
                total += tf.reduce_mean(tf.squared_difference(output[:, 0], y[:, t]))
            return total / len(outputs)
            """
        ),
    ),
    Entry(
        "g: one-hot labels",
        bodies(
            g="""
            logits = tf.stack(outputs, 1)
            one_hot = tf.one_hot(y, tf.shape(logits)[-1])
            return tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=logits)
            )
            """
        ),
    ),
    Entry(
        "g: by hand, from log_softmax, time first",
        bodies(
            g="""
            log_p = tf.nn.log_softmax(tf.stack(outputs))
            one_hot = tf.one_hot(tf.transpose(y), int(outputs[0].shape[1]))
            return -tf.reduce_mean(tf.reduce_sum(log_p * one_hot, axis=-1))
            """
        ),
    ),
    Entry(
        "g: tf.losses, step by step",
        bodies(
            g="""
            losses = [
                tf.losses.sparse_softmax_cross_entropy(y[:, t], logits)
                for t, logits in enumerate(outputs)
            ]
            return tf.add_n(losses) / len(losses)
            """
        ),
    ),
    *[
        Entry(
            f"f: {optimizer}",
            bodies(
                f=f"""
                opt = tf.train.{optimizer}
                gradients, variables = zip(*opt.compute_gradients(loss))
                gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
                return opt.apply_gradients(zip(gradients, variables))
                """
            ),
        )
        for optimizer in (
            "GradientDescentOptimizer(learning_rate=lr)",
            "AdamOptimizer(lr)",
            "MomentumOptimizer(lr, 0.9)",
            "MomentumOptimizer(lr, 0.9, use_nesterov=True)",
            "RMSPropOptimizer(lr)",
            "AdagradOptimizer(lr)",
        )
    ],
    Entry(
        "f: clipped and assigned by hand",
        bodies(
            f="""
            variables = tf.trainable_variables()
            gradients = tf.gradients(loss, variables)
            norm = tf.sqrt(tf.add_n([tf.reduce_sum(g * g) for g in gradients]))
            factor = tf.minimum(1.0, clip_norm / norm)
            return tf.group(
                *[tf.assign_sub(v, lr * factor * g) for v, g in zip(variables, gradients)]
            )
            """
        ),
    ),
    Entry(
        "f: tf.cond, and a list of one operation",
        bodies(
            f="""
            variables = tf.trainable_variables()
            gradients = tf.gradients(loss, variables)
            norm = tf.global_norm(gradients)
            gradients = tf.cond(
                norm > 5.0, lambda: [g * 5.0 / norm for g in gradients], lambda: list(gradients)
            )
            optimizer = tf.train.GradientDescentOptimizer(lr)
            return [optimizer.apply_gradients(zip(gradients, variables))]
            """
        ),
    ),
    Entry(
        "basic: an initialiser of Keras, tf.Print left in, a TensorArray of inputs",
        _basic(
            """
            self.w = tf.get_variable(
                "w", [n_inp, n_out], initializer=tf.keras.initializers.GlorotUniform(1)
            )
            self.u = tf.get_variable(
                "u", [n_out, n_out], initializer=tf.keras.initializers.Orthogonal(seed=1)
            )
            self.b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())
            """,
            "tf.matmul(steps.read(t), self.w) + tf.matmul(hidden, self.u) + self.b",
        )
        + (
            change(
                BASIC,
                (
                    "    hidden, outputs = state.hidden, []\n",
                    "    x = tf.Print(x, [x], 'x:')\n"
                    "        steps = tf.TensorArray(tf.float32, size=x.shape[1])\n"
                    "        steps = steps.unstack(tf.transpose(x, [1, 0, 2]))\n"
                    "        hidden, outputs = state.hidden, []\n",
                ),
            ),
        ),
    ),
    Entry(
        "g: a loss of Keras",
        bodies(
            g="""
            return tf.reduce_mean(
                tf.keras.losses.sparse_categorical_crossentropy(
                    y, tf.stack(outputs, 1), from_logits=True
                )
            )
            """
        ),
    ),
    Entry(
        "lstm: the forget bias scattered into zeros",
        (
            change(
                LSTM,
                (
                    "tf.concat([b_input, zeros, b_forget, zeros], 0)",
                    "tf.tensor_scatter_nd_update(tf.zeros([4 * n_out]),"
                    " tf.range(2 * n_out, 3 * n_out)[:, tf.newaxis], b_forget)",
                ),
            ),
        ),
    ),
    Entry(
        "h: counts, with try and except",
        bodies(
            h="""
            sess.run(it_test_init)
            losses = hits = sequences = 0
            while True:
                try:
                    l, o, y = sess.run((loss, outputs, labels))
                except tf.errors.OutOfRangeError:
                    break
                predictions = np.argmax(np.stack(o, axis=1), axis=-1)
                hits += np.sum(predictions[:, -to_remember_len:] == y[:, -to_remember_len:])
                losses += l * y.shape[0]
                sequences += y.shape[0]
            return losses / sequences, hits / (sequences * to_remember_len)
            """
        ),
    ),
    Entry(
        "h: compared in the graph",
        bodies(
            h="""
            with sess.graph.as_default():
                answers = tf.argmax(tf.stack(outputs[-to_remember_len:], axis=1), axis=2)
                truth = tf.cast(labels[:, -to_remember_len:], tf.int64)
                right = tf.cast(tf.equal(answers, truth), tf.float32)
            sess.run(it_test_init)
            values = []
            try:
                while True:
                    values.append(sess.run([loss, right]))
            except tf.errors.OutOfRangeError:
                pass
            right = np.concatenate([r for _, r in values])
            loss = np.average([l for l, _ in values], weights=[len(r) for _, r in values])
            return MemoryTestResult(loss=float(loss), accuracy=float(right.mean()))
            """
        ),
    ),
    Entry("line ends of Windows", (), binary=lambda content: content.replace(b"\n", b"\r\n")),
    Entry("byte order marks", (), binary=lambda content: b"\xef\xbb\xbf" + content),
    Entry(
        "tabs",
        (),
        binary=lambda content: b"\n".join(
            b"\t" * ((len(line) - len(line.lstrip(b" "))) // 4)
            + b" " * ((len(line) - len(line.lstrip(b" "))) % 4)
            + line.lstrip(b" ")
            for line in content.split(b"\n")
        ),
    ),
    Entry(
        "prints, warnings, a plot on the screen at import",
        tuple(
            prepend(
                file,
                """
                import warnings
                import matplotlib.pyplot as plt
                print("hello" * 1000)
                warnings.warn("deprecated", stacklevel=1)
                plt.plot([1, 2])
                plt.show()
                """,
            )
            for file in (BASIC, LSTM, TRAIN, TEST)
        ),
    ),
    Entry(
        "TensorFlow 2 switched off at import",
        tuple(
            change(
                file,
                (
                    "import tensorflow.compat.v1 as tf\n",
                    "import tensorflow.compat.v1 as tf\ntf.disable_v2_behavior()\n",
                ),
            )
            for file in (BASIC, LSTM, TRAIN, TEST)
        ),
        alone=True,
    ),
    Entry(
        "a short training at import",
        (
            change(
                TRAIN,
                (
                    "OPTIMIZERS = {",
                    """with tf.Graph().as_default(), tf.Session() as _sess:
    _v = tf.get_variable("v", initializer=1.0)
    _op = tf.train.GradientDescentOptimizer(0.1).minimize(_v * _v)
    _sess.run(_v.initializer)
    for _ in range(20):
        _sess.run(_op)

OPTIMIZERS = {""",
                ),
            ),
        ),
    ),
    Entry(
        "helper methods and debugging checks left in",
        (
            body(
                "d",
                """
                hidden, cell = state
                outputs = []
                for x_t in tf.unstack(tf.cast(x, tf.float32), axis=1):
                    hidden = tf.debugging.check_numerics(hidden, "hidden")
                    hidden, cell = _one_step(self, x_t, hidden, cell)
                    outputs.append(tf.identity(hidden, name="out"))
                return outputs, MyLSTMState(cell=cell, hidden=hidden)
                """,
            ),
            change(
                LSTM,
                (
                    "def _initial_biases(",
                    """def _one_step(self, x_t, hidden, cell):
    i, j, f, o = tf.split(tf.matmul(tf.concat([x_t, hidden], 1), self._w) + self._b, 4, axis=1)
    new = cell * tf.math.sigmoid(f)
    new += tf.math.sigmoid(i) * tf.math.tanh(j)
    return tf.math.tanh(new) * tf.math.sigmoid(o), new


def _initial_biases(""",
                ),
            ),
        ),
    ),
]
