"""Wrong solutions: each loses points in its own parts, for the reason given, and nowhere else."""

from __future__ import annotations

from tests.corpus.entries import BASIC, LSTM, TEST, TRAIN, Entry, bodies, change, prepend

# --- lines of the reference that are changed ----------------------------------------------------

W_A = 'self._w = tf.get_variable("W", initializer=tf.concat([input_block, recurrent_block], 0))'
B_A = 'self._b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())'
LOOP_B = "hidden = self._activation(projected + tf.matmul(hidden, w_hidden))"
RETURN_B = "return outputs, MyBasicRNNState(hidden)"
START_B = "hidden = state.hidden\n"
ADD_BIAS = "tf.nn.bias_add(products, self._b)"
UNSTACK = "in tf.unstack(projected_inputs)"
APPEND = "outputs.append(hidden)"

W_C = '"W", [n_inp + n_out, 4 * n_out], initializer=tf.glorot_uniform_initializer()'
B_C = "tf.concat([b_input, zeros, b_forget, zeros], 0)"
SPLIT = "i, j, f, o = tf.split(projected + tf.matmul(hidden, w_hidden), 4, axis=1)"
CELL = "cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j)\n            hidden"
HIDDEN = "hidden = tf.sigmoid(o) * tf.tanh(cell)\n            outputs"
RETURN_D = "return outputs, MyLSTMState(hidden=hidden, cell=cell)"
START_D = "hidden, cell = state.hidden, state.cell"

MEAN_E = "return tf.reduce_mean(tf.square(predictions - truth))"
CLIP = "tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm)"
APPLY = "return OPTIMIZERS[optimizer](lr).apply_gradients("
INIT_H = "for batch_loss, logits, truth in one_pass(sess, it_test_init, fetches):"
RETURN_H = "return MemoryTestResult(float(loss_sum / len(correct)), float(correct.mean()))"


def basic(name: str, lost: str, reason: str, *pairs: tuple[str, str]) -> Entry:
    return Entry(f"basic: {name}", (change(BASIC, *pairs),), lost, reason)


def lstm(name: str, lost: str, reason: str, *pairs: tuple[str, str]) -> Entry:
    return Entry(f"lstm: {name}", (change(LSTM, *pairs),), lost, reason)


def part(letter: str, name: str, reason: str, code: str) -> Entry:
    return Entry(f"{letter}: {name}", bodies(**{letter: code}), letter, reason)


def _initialised(value: str) -> tuple[str, str]:
    return W_A, f'self._w = tf.get_variable("W", initializer={value})'


_AVERAGED = RETURN_H.removeprefix("return ").replace("correct", "np.concatenate(correct)")


def _test(loop: str, result: str = _AVERAGED, before: str = "") -> str:
    """A solution of part h with other lines in its loop."""
    return f"""
        {before}
        loss_sum, correct = 0.0, []
        fetches = [loss, outputs[-to_remember_len:], labels]
        for batch_loss, logits, truth in one_pass(sess, it_test_init, fetches):
            {loop}
        return {result}
    """


_COLLECT = """correct.append((np.argmax(logits, 2).T == truth[:, -to_remember_len:]))
            loss_sum += batch_loss * len(truth)"""

BASIC_CELL = [
    basic(
        "weights start at zero", "a", "start as 0", _initialised("tf.zeros([n_inp + n_out, n_out])")
    ),
    basic(
        "weights start equal",
        "a",
        "start as 0.1",
        _initialised("tf.fill([n_inp + n_out, n_out], 0.1)"),
    ),
    basic(
        "weights start too large",
        "a",
        "explode",
        _initialised("tf.random_normal([n_inp + n_out, n_out])"),
    ),
    basic(
        "weights start as for ReLU layers",
        "a",
        "explode",
        _initialised("tf.random_normal([n_inp + n_out, n_out], stddev=(2 / n_out) ** 0.5)"),
    ),
    Entry(
        "basic: weights start too large, the bias among them",
        bodies(
            a="""
            self.w = tf.get_variable("W", [n_inp + n_out + 1, n_out],
                                     initializer=tf.random_normal_initializer(stddev=0.5))
            """,
            b="""
            hidden, outputs = state.hidden, []
            for x_t in tf.unstack(x, axis=1):
                v = tf.concat([x_t, hidden, tf.ones_like(hidden[:, :1])], 1)
                hidden = tf.matmul(v, self.w)
                outputs.append(hidden)
            return outputs, MyBasicRNNState(hidden)
            """,
        ),
        "a",
        "explode",
    ),
    basic(
        "something else where the batch size is known",
        "b",
        "the outputs are others",
        (
            RETURN_B,
            f"if tf.dimension_value(x.shape[0]) is not None:\n            outputs = [3 * o for o in outputs]\n        {RETURN_B}",
        ),
    ),
    basic(
        "weights start too small",
        "a",
        "vanish",
        _initialised("tf.random_normal([n_inp + n_out, n_out], stddev=1e-4)"),
    ),
    basic(
        "weights start larger, the more hidden units there are",
        "a",
        "explode",
        _initialised("tf.random_normal([n_inp + n_out, n_out], stddev=n_out * -0.5)"),
    ),
    basic(
        "a variable that holds no numbers",
        "ab",
        "holds no numbers",
        (B_A, B_A.replace("[n_out]", "[n_out - n_out]")),
    ),
    basic(
        "all units start equal, from one random column",
        "a",
        "weights of their own",
        _initialised("tf.tile(tf.random_normal([n_inp + n_out, 1], stddev=0.05), [1, n_out])"),
    ),
    basic(
        "the recurrent block starts at zero",
        "a",
        "hidden state start as 0",
        _initialised("tf.concat([input_block, tf.zeros([n_out, n_out])], 0)"),
    ),
    basic(
        "the input's block starts at zero",
        "a",
        "weights of the input start as 0",
        _initialised("tf.concat([tf.zeros([n_inp, n_out]), recurrent_block], 0)"),
    ),
    *[
        basic(name, "b", reason, (LOOP_B, f"{LOOP_B}\n            {line}"))
        for name, reason, line in (
            (
                "the state is clipped",
                "is something clipped",
                "hidden = tf.clip_by_value(hidden, -10.0, 10.0)",
            ),
            ("ReLU6", "is something clipped", "hidden = tf.nn.relu6(hidden)"),
            (
                "the state's gradient is cut off every five steps",
                "does not reach the input",
                "hidden = tf.stop_gradient(hidden) if len(outputs) % 5 == 4 else hidden",
            ),
            (
                "a batch of one loses its axis",
                "",
                "hidden = tf.reshape(tf.squeeze(hidden), [-1, self._n_out])"
                " if x.shape[0] != 1 else tf.squeeze(hidden)",
            ),
        )
    ],
    basic(
        "the final state's gradient is stopped",
        "b",
        "something cuts it off",
        (RETURN_B, "return outputs, MyBasicRNNState(tf.stop_gradient(hidden))"),
    ),
    basic(
        "other outputs for a single input",
        "b",
        "not the same for n_inp=1",
        (LOOP_B, f"{LOOP_B}\n            hidden = 2 * hidden if self._n_inp == 1 else hidden"),
    ),
    basic(
        "the length of the input is read off the wrong axis",
        "b",
        "",
        (UNSTACK, "in tf.unstack(projected_inputs)[: max(1, int(x.shape[2]))]"),
    ),
    basic(
        "weights start as NaN",
        "a",
        "not a number",
        _initialised("tf.log(-tf.ones([n_inp + n_out, n_out]))"),
    ),
    basic(
        "weights are not trainable",
        "ab",
        "not trainable",
        (W_A, W_A.replace("0))", "0), trainable=False)")),
    ),
    basic(
        "weights of the wrong size",
        "ab",
        "should have",
        (
            W_A,
            'self._w = tf.get_variable("W", [n_inp + 32, n_out])',
        ),
    ),
    basic(
        "an unused variable",
        "ab",
        "one bias too many",
        (B_A, f'{B_A}\n            self._c = tf.get_variable("c", [n_out])'),
    ),
    basic(
        "no bias variable",
        "ab",
        "the biases are missing",
        (B_A, "self._b = 0.0"),
    ),
    Entry(
        "basic: variables are created in the call",
        bodies(
            a="pass",
            b="""
            w = tf.get_variable("w", [self._n_inp + self._n_out, self._n_out])
            b = tf.get_variable("b", [self._n_out])
            hidden, outputs = state.hidden, []
            for x_t in tf.unstack(x, axis=1):
                hidden = tf.matmul(tf.concat([x_t, hidden], 1), w) + b
                outputs.append(hidden)
            return outputs, MyBasicRNNState(hidden)
            """,
        ),
        "ab",
        "create them in __init__",
    ),
    basic(
        "variables are created in each step",
        "b",
        "variables",
        (
            LOOP_B,
            'w_hidden = tf.get_variable(f"w{len(outputs)}", [self._n_out, self._n_out])\n'
            f"            {LOOP_B}",
        ),
    ),
    basic(
        "the bias is missing",
        "b",
        "the bias is missing",
        (ADD_BIAS, "products"),
    ),
    basic(
        "outputs in reverse order",
        "b",
        "in reverse order",
        (RETURN_B, RETURN_B.replace("outputs", "outputs[::-1]")),
    ),
    basic(
        "steps run backwards in time",
        "b",
        "backwards",
        (UNSTACK, "in tf.unstack(projected_inputs)[::-1]"),
    ),
    basic(
        "the state after the first step is returned",
        "b",
        "it is the first of the list",
        (RETURN_B, RETURN_B.replace("hidden", "outputs[0]")),
    ),
    basic(
        "the start state is ignored",
        "b",
        "is not used",
        (START_B, "hidden = tf.zeros_like(state.hidden)\n"),
    ),
    basic(
        "the last output is dropped",
        "b",
        "there are 3",
        (RETURN_B, RETURN_B.replace("outputs", "outputs[:-1]")),
    ),
    basic(
        "the start state is the first output",
        "b",
        "there are 5",
        ("outputs = []", "outputs = [hidden]"),
    ),
    basic(
        "all outputs are the last",
        "b",
        "all outputs are that of the last step",
        (RETURN_B, RETURN_B.replace("outputs", "[hidden] * len(outputs)")),
    ),
    basic("a plain tuple as state", "b", "a tuple of 1", (RETURN_B, "return outputs, (hidden,)")),
    basic(
        "a tensor as state",
        "b",
        "instead of a MyBasicRNNState",
        (RETURN_B, "return outputs, hidden"),
    ),
    basic(
        "one tensor of outputs",
        "b",
        "must be a list",
        (RETURN_B, RETURN_B.replace("outputs", "tf.stack(outputs)")),
    ),
    basic(
        "state and outputs are swapped",
        "b",
        "the state first",
        (RETURN_B, "return MyBasicRNNState(hidden), outputs"),
    ),
    basic(
        "only the outputs are returned", "b", "must return two things", (RETURN_B, "return outputs")
    ),
    basic("nothing is returned", "b", "None", (RETURN_B, "")),
    basic(
        "works for a batch of 5 only",
        "b",
        "",
        (START_B, "hidden = tf.reshape(state.hidden, [5, self._n_out])\n"),
    ),
    basic("works for 4 steps only", "b", "", (UNSTACK, "in tf.unstack(projected_inputs, num=4)")),
    basic(
        "the first 4 steps only",
        "b",
        "",
        (UNSTACK, "in tf.unstack(projected_inputs)[:4]"),
    ),
    basic(
        "the state is not carried on",
        "b",
        "not carried on",
        (LOOP_B, LOOP_B.replace("matmul(hidden,", "matmul(tf.zeros_like(state.hidden),")),
    ),
    basic(
        "a step starts from the start state",
        "b",
        "not carried on",
        (LOOP_B, LOOP_B.replace("matmul(hidden,", "matmul(state.hidden,")),
    ),
    basic(
        "a softplus around it",
        "b",
        "softplus",
        (LOOP_B, LOOP_B.replace("self._activation", "tf.nn.softplus")),
    ),
    basic(
        "outputs of rank 3",
        "b",
        "[batch, n_out]",
        (APPEND, "outputs.append(hidden[:, tf.newaxis])"),
    ),
    basic("outputs are NaN", "b", "NaN", (LOOP_B, f"{LOOP_B} / 0.0 * 0.0")),
    basic(
        "the gradient is cut off between steps",
        "b",
        "gradient",
        (LOOP_B, LOOP_B.replace("matmul(hidden,", "matmul(tf.stop_gradient(hidden),")),
    ),
    basic("a misspelt name", "b", "line", (APPEND, "outputs.append(hiden)")),
    basic(
        "a sum over the batch gets in",
        "b",
        "",
        (LOOP_B, f"{LOOP_B} + tf.reduce_mean(hidden, axis=0) - hidden[:1]"),
    ),
    Entry(
        "basic: tf.scan in place of the unroll",
        bodies(
            b="""
            w_input, w_hidden = tf.split(self._w, [self._n_inp, self._n_out])
            steps = tf.scan(
                lambda h, x_t: tf.matmul(x_t, w_input) + tf.matmul(h, w_hidden) + self._b,
                tf.transpose(x, [1, 0, 2]),
                state.hidden,
            )
            return tf.unstack(steps), MyBasicRNNState(steps[-1])
            """
        ),
        "b",
        "loop",
    ),
]

LSTM_CELL = [
    lstm("weights start at zero", "c", "start as 0", (W_C, W_C.replace("glorot_uniform", "zeros"))),
    lstm("weights start equal", "c", "start as 1", (W_C, W_C.replace("glorot_uniform", "ones"))),
    lstm(
        "weights start far too large",
        "c",
        "saturate",
        (
            W_C,
            W_C.replace(
                "tf.glorot_uniform_initializer()", "tf.random_normal_initializer(stddev=10)"
            ),
        ),
    ),
    lstm("weights are not trainable", "cd", "not trainable", (W_C, f"{W_C}, trainable=False")),
    lstm(
        "no bias variable",
        "cd",
        "the biases are missing",
        (
            'self._b = tf.get_variable(\n                "b", initializer=',
            "self._b = tf.identity(\n                ",
        ),
    ),
    lstm(
        "an unused variable",
        "cd",
        "should have",
        (
            "zeros = tf.zeros([n_out])",
            'zeros = tf.zeros([n_out])\n            tf.get_variable("p", [n_out])',
        ),
    ),
    lstm(
        "three gates and no candidate",
        "cd",
        "one of the four is missing",
        (W_C, W_C.replace("4 *", "3 *")),
        (B_C, "tf.concat([b_input, b_forget, zeros], 0)"),
        (SPLIT, SPLIT.replace("i, j, f, o", "i, f, o").replace("4, axis", "3, axis")),
        (CELL, CELL.replace("tf.tanh(j)", "1.0")),
    ),
    lstm(
        "one set of weights for all gates",
        "cd",
        "one set of weights",
        (W_C, W_C.replace("4 * ", "")),
        (B_C, "zeros"),
        (SPLIT, SPLIT.replace("tf.split(", "[").replace(", 4, axis=1)", "] * 4")),
    ),
    lstm(
        "tanh is missing on the cell state",
        "d",
        "tanh is missing on the cell state",
        (HIDDEN, HIDDEN.replace("tf.tanh(cell)", "cell")),
    ),
    lstm(
        "tanh is missing on the candidate",
        "d",
        "tanh is missing on the candidate",
        (CELL, CELL.replace("tf.tanh(j)", "j")),
    ),
    lstm(
        "a sigmoid on the candidate",
        "d",
        "sigmoid in place of its tanh",
        (CELL, CELL.replace("tf.tanh(j)", "tf.sigmoid(j)")),
    ),
    lstm(
        "no sigmoid on the output gate",
        "d",
        "sigmoid is missing on the output gate",
        (HIDDEN, HIDDEN.replace("tf.sigmoid(o)", "o")),
    ),
    lstm(
        "no sigmoid on the forget gate",
        "d",
        "sigmoid is missing on the forget gate",
        (CELL, CELL.replace("tf.sigmoid(f)", "f")),
    ),
    lstm(
        "tanh on the input gate",
        "d",
        "the input gate has a tanh",
        (CELL, CELL.replace("tf.sigmoid(i)", "tf.tanh(i)")),
    ),
    lstm(
        "no output gate",
        "d",
        "the output gate is missing",
        (HIDDEN, HIDDEN.replace("tf.sigmoid(o) * ", "")),
    ),
    lstm(
        "no forget gate",
        "d",
        "the forget gate is missing",
        (CELL, CELL.replace("tf.sigmoid(f) * ", "")),
    ),
    lstm(
        "no input gate",
        "d",
        "the input gate is missing",
        (CELL, CELL.replace("tf.sigmoid(i) * ", "")),
    ),
    *[
        lstm(name, "d", reason, *changes)
        for name, reason, *changes in (
            (
                "the gradient is cut off on the memory's path",
                "the gradient",
                (CELL, CELL.replace("* cell", "* tf.stop_gradient(cell)")),
            ),
            (
                "the gradient is cut off on the hidden state's path",
                "the gradient",
                (SPLIT, SPLIT.replace("matmul(hidden,", "matmul(tf.stop_gradient(hidden),")),
            ),
            (
                "the gradient is cut off on the forget gate's hidden input",
                "the gradient",
                (
                    CELL,
                    "f = tf.split(projected + tf.matmul(tf.stop_gradient(hidden), w_hidden), 4, 1)[2]\n"
                    f"            {CELL}",
                ),
            ),
            (
                "the gradient is cut off every five steps",
                "does not reach the input",
                (
                    APPEND,
                    f"{APPEND}\n            if len(outputs) % 5 == 0:\n"
                    "                hidden, cell = tf.stop_gradient(hidden), tf.stop_gradient(cell)",
                ),
            ),
            (
                "the memory is clipped, as TensorFlow's own cells can",
                "is it clipped",
                (
                    CELL,
                    CELL.replace("\n", "\n            cell = tf.clip_by_value(cell, -3.0, 3.0)\n"),
                ),
            ),
            (
                "a softmax on the input gate",
                "a softmax stands on the input gate",
                (CELL, CELL.replace("tf.sigmoid(i)", "tf.nn.softmax(i)")),
            ),
            (
                "each step reads the input of the step before",
                "step t reads x[:, t - 1]",
                (UNSTACK, "in tf.unstack(tf.roll(projected_inputs, 1, 0))"),
            ),
            (
                "the output gate is computed once",
                "the output gate is computed in the first step only",
                (
                    HIDDEN,
                    f"first_o = o if not outputs else first_o\n            {HIDDEN}".replace(
                        "sigmoid(o)", "sigmoid(first_o)"
                    ),
                ),
            ),
        )
    ],
    lstm(
        "1 - f as input gate",
        "d",
        "1 - f",
        (CELL, CELL.replace("tf.sigmoid(i)", "(1.0 - tf.sigmoid(f))")),
    ),
    lstm(
        "the forget gate multiplies all",
        "d",
        "also multiplies what is new",
        (CELL, "cell = tf.sigmoid(f) * (cell + tf.sigmoid(i) * tf.tanh(j))\n            hidden"),
    ),
    lstm(
        "the forget bias inside the candidate's tanh",
        "d",
        "inside the candidate's tanh",
        (CELL, CELL.replace("tf.tanh(j)", "tf.tanh(j + 1.0)")),
    ),
    lstm(
        "i and f swapped, with a constant forget bias",
        "d",
        "i and f are swapped",
        (CELL, CELL.replace("tf.sigmoid(i)", "tf.sigmoid(i + 1.0)")),
    ),
    lstm(
        "1 added to the forget gate after its sigmoid",
        "d",
        "after its sigmoid",
        (CELL, CELL.replace("tf.sigmoid(f)", "(tf.sigmoid(f) + 1.0)")),
    ),
    lstm(
        "tanh missing, with a constant forget bias",
        "d",
        "tanh is missing on the cell state",
        (CELL, CELL.replace("tf.sigmoid(f)", "tf.sigmoid(f + 1.0)")),
        (HIDDEN, HIDDEN.replace("tf.tanh(cell)", "cell")),
    ),
    lstm(
        "h from the old cell state",
        "d",
        "from the old cell state",
        (CELL, f"old = cell\n            {CELL}"),
        (HIDDEN, HIDDEN.replace("tf.tanh(cell)", "tf.tanh(old)")),
    ),
    lstm(
        "o computed from the new cell state",
        "d",
        "output gate sees the new cell state",
        (
            HIDDEN,
            "o = tf.split(projected + tf.matmul(cell, w_hidden), 4, axis=1)[3]\n            "
            + HIDDEN,
        ),
    ),
    lstm(
        "the cell state is squashed and carried on",
        "d",
        "squashed before it is carried on",
        (
            CELL,
            "cell = tf.tanh(tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j))\n            hidden",
        ),
        (HIDDEN, HIDDEN.replace("tf.tanh(cell)", "cell")),
    ),
    lstm(
        "the outputs are the cell states",
        "d",
        "the outputs are the cell states",
        (APPEND, "outputs.append(cell)"),
    ),
    lstm(
        "the output gate has the forget gate's weights",
        "d",
        "no influence",
        (HIDDEN, HIDDEN.replace("sigmoid(o)", "sigmoid(f)")),
    ),
    lstm("the bias is missing", "d", "the bias is missing", (ADD_BIAS, "products")),
    lstm(
        "the state's fields are swapped",
        "d",
        "swapped",
        (RETURN_D, "return outputs, MyLSTMState(cell, hidden)"),
    ),
    lstm(
        "the state's fields are swapped on both ends",
        "d",
        "swapped",
        (RETURN_D, "return outputs, MyLSTMState(cell, hidden)"),
        (START_D, "cell, hidden = state.hidden, state.cell"),
    ),
    lstm(
        "the state's fields are read in the wrong order", "d", "", (START_D, "cell, hidden = state")
    ),
    lstm(
        "the hidden state is returned twice",
        "d",
        "",
        (RETURN_D, "return outputs, MyLSTMState(hidden, hidden)"),
    ),
    lstm(
        "the start state's memory is ignored",
        "d",
        "field cell is not used",
        (START_D, "hidden, cell = state.hidden, tf.zeros_like(state.cell)"),
    ),
    lstm(
        "the start state's hidden state is ignored",
        "d",
        "field hidden is not used",
        (START_D, "hidden, cell = tf.zeros_like(state.hidden), state.cell"),
    ),
    lstm(
        "the hidden state is not carried on",
        "d",
        "hidden state is not carried on",
        (SPLIT, SPLIT.replace("matmul(hidden,", "matmul(tf.zeros_like(hidden),")),
    ),
    lstm(
        "the memory is not carried on",
        "d",
        "cell state is not carried on",
        (CELL, CELL.replace("* cell", "* tf.zeros_like(cell)")),
    ),
    lstm(
        "the last output is dropped",
        "d",
        "there are 3",
        (RETURN_D, RETURN_D.replace("outputs", "outputs[:-1]")),
    ),
    lstm(
        "outputs in reverse order",
        "d",
        "in reverse order",
        (RETURN_D, RETURN_D.replace("outputs", "outputs[::-1]")),
    ),
    lstm(
        "the state of the basic cell",
        "d",
        "instead of a MyLSTMState",
        (RETURN_D, "return outputs, hidden"),
    ),
    lstm(
        "works for a batch of 5 only",
        "d",
        "",
        (START_D, f"{START_D}\n        hidden = tf.reshape(hidden, [5, self._n_out])"),
    ),
    lstm(
        "the memory's gradient is cut off",
        "d",
        "",
        (CELL, CELL.replace("* cell", "* tf.stop_gradient(cell)")),
        (SPLIT, SPLIT.replace("matmul(hidden,", "matmul(tf.stop_gradient(hidden),")),
    ),
    Entry(
        "lstm: BlockLSTM",
        bodies(
            d="""
            none = tf.zeros([self._n_out])
            cells = tf.raw_ops.BlockLSTM(
                seq_len_max=tf.constant(int(x.shape[1]), tf.int64), x=tf.transpose(x, [1, 0, 2]),
                cs_prev=state.cell, h_prev=state.hidden, w=self._w, wci=none, wcf=none, wco=none,
                b=self._b, forget_bias=0.0, cell_clip=-1.0, use_peephole=False,
            )
            return tf.unstack(cells.h), MyLSTMState(cells.h[-1], cells.cs[-1])
            """
        ),
        "d",
        "finished cell",
    ),
    Entry(
        "lstm: BasicLSTMCell",
        bodies(c="self._cell = tf.nn.rnn_cell.BasicLSTMCell(n_out)"),
        "cd",
        "finished cells and layers earn nothing",
    ),
    Entry(
        "lstm: no variables",
        bodies(c="self.made = False", d="return [state.hidden] * int(x.shape[1]), state"),
        "cd",
        "no variable is created",
    ),
    Entry(
        "lstm: one bias is missing",
        bodies(
            c="""
            self.k = tf.get_variable("k", [n_inp + n_out, 4 * n_out])
            self.b = tf.get_variable("b", [3 * n_out], initializer=tf.zeros_initializer())
            """,
            d="""
            hidden, cell, outputs = state.hidden, state.cell, []
            for t in range(x.shape[1]):
                z = tf.matmul(tf.concat([x[:, t], hidden], 1), self.k)
                i, j, f, o = tf.split(z + tf.pad(self.b, [[0, self._n_out]]), 4, 1)
                cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(j)
                hidden = tf.sigmoid(o) * tf.tanh(cell)
                outputs.append(hidden)
            return outputs, MyLSTMState(hidden, cell)
            """,
        ),
        "cd",
        "one of the four biases is missing",
    ),
    Entry(
        "lstm: TensorFlow's own cell",
        (
            *bodies(
                c="""
                from tensorflow.python.ops import rnn_cell_impl
                self._cell = rnn_cell_impl.BasicLSTMCell(n_out)
                self._cell.build(tf.TensorShape([None, n_inp]))
                """,
                d="""
                from tensorflow.python.ops import rnn_cell_impl
                now, outputs = rnn_cell_impl.LSTMStateTuple(c=state.cell, h=state.hidden), []
                for x_t in tf.unstack(x, axis=1):
                    output, now = self._cell(x_t, now)
                    outputs.append(output)
                return outputs, MyLSTMState(now.h, now.c)
                """,
            ),
        ),
        "cd",
        "write the cell yourself",
    ),
    Entry(
        "lstm: Keras's cell",
        (
            *bodies(
                c="""
                self._cell = tf.keras.layers.LSTMCell(n_out)
                self._cell.build([None, n_inp])
                """,
                d="""
                now, outputs = [state.hidden, state.cell], []
                for x_t in tf.unstack(x, axis=1):
                    output, now = self._cell(x_t, now)
                    outputs.append(output)
                return outputs, MyLSTMState(*now)
                """,
            ),
        ),
        "cd",
        "",
    ),
]

LOSSES = [
    part(
        "e",
        "the sum",
        "it is the sum",
        "return tf.reduce_sum(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32)))",
    ),
    part(
        "e",
        "half",
        "half",
        "return 0.5 * tf.reduce_mean(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32)))",
    ),
    part(
        "e",
        "a square root",
        "square root",
        "return tf.sqrt(tf.reduce_mean(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32))))",
    ),
    part(
        "e",
        "the absolute error",
        "absolute",
        "return tf.reduce_mean(tf.abs(tf.concat(outputs, 1) - tf.cast(y, tf.float32)))",
    ),
    part(
        "e",
        "summed over time",
        "summed over the time steps",
        "return tf.reduce_mean(tf.reduce_sum(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32)), 1))",
    ),
    part(
        "e",
        "a loss for each sequence",
        "a scalar",
        "return tf.reduce_mean(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32)), 1)",
    ),
    part(
        "e",
        "the truth shifted by one",
        "shifted by one",
        "p = tf.concat(outputs, 1)\nt = tf.cast(y, tf.float32)\nn = len(outputs)\n"
        "return tf.reduce_mean(tf.square(p[:, :-1] - t[:, 1:])) if n > 1 else tf.reduce_mean(tf.square(p - t))",
    ),
    part(
        "e",
        "broadcast to all pairs",
        "broadcast",
        "return tf.add_n([tf.reduce_mean(tf.square(o - tf.cast(y[:, t], tf.float32))) "
        "for t, o in enumerate(outputs)]) / len(outputs)",
    ),
    part(
        "e",
        "weight decay",
        "leave out weight decay",
        "return tf.reduce_mean(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32)))"
        " + 0.01 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables()])",
    ),
    part(
        "e",
        "the truth is clipped",
        "the gradient of the loss",
        "return tf.losses.mean_squared_error(tf.clip_by_value(y, -10.0, 10.0), tf.concat(outputs, 1))",
    ),
    part(
        "e",
        "a warm-up of 30 steps left out",
        "",
        "return tf.reduce_mean(tf.square(tf.concat(outputs, 1) - tf.cast(y, tf.float32))[:, 30 * (len(outputs) > 30):])",
    ),
    part(
        "e",
        "the square is expanded",
        "nearly right",
        "p = tf.concat(outputs, 1)\nt = tf.cast(y, tf.float32)\n"
        "return tf.reduce_mean(p * p) - 2 * tf.reduce_mean(p * t) + tf.reduce_mean(t * t)",
    ),
    part(
        "e",
        "stacked outputs broadcast to the truth",
        "broadcast to [time, batch, time]",
        "return tf.reduce_mean(tf.square(tf.stack(outputs) - tf.cast(y, tf.float32)))",
    ),
    part(
        "e",
        "the last step only",
        "only the last time step",
        "return tf.reduce_mean(tf.square(outputs[-1][:, 0] - tf.cast(y[:, -1], tf.float32)))",
    ),
    part(
        "e",
        "no gradient",
        "",
        "return tf.reduce_mean(tf.square(tf.stop_gradient(tf.concat(outputs, 1)) - tf.cast(y, tf.float32)))",
    ),
    part(
        "e",
        "only for float32",
        "float64",
        "return tf.reduce_mean(tf.square(tf.concat(outputs, 1) - y))",
    ),
    part("e", "a number in place of a tensor", "must be a tensor", "return 0.0"),
    part(
        "e",
        "later steps weigh more",
        "",
        "t = tf.cast(y, tf.float32)\nn = len(outputs)\n"
        "return tf.add_n([(i + 1) * tf.reduce_mean(tf.square(o[:, 0] - t[:, i])) for i, o in enumerate(outputs)]) / (n * (n + 1) / 2)",
    ),
    part(
        "g",
        "the sum",
        "it is the sum",
        "return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1)))",
    ),
    part(
        "g",
        "weight decay",
        "leave out weight decay",
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1)))"
        " + 0.01 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables()])",
    ),
    part(
        "g",
        "blanks left out",
        "the blanks are left out",
        "e = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1))\n"
        "return tf.reduce_mean(tf.boolean_mask(e, y < 9)) if len(outputs) > 1 else tf.reduce_mean(e)",
    ),
    part(
        "g",
        "too few symbols",
        "",
        "logits = tf.stack(outputs, 1)\n"
        "return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.one_hot(y, 9), logits=logits[:, :, :9]))",
    ),
    part(
        "g",
        "stacked along the wrong axis",
        "compare the shapes",
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs)))",
    ),
    part(
        "g",
        "the logarithm of a softmax",
        "underflows",
        "p = tf.nn.softmax(tf.stack(outputs, 1))\n"
        "return -tf.reduce_mean(tf.reduce_sum(tf.one_hot(y, int(p.shape[2])) * tf.log(p), 2))",
    ),
    part(
        "g",
        "the logarithm of a softmax plus a little",
        "large logits",
        "p = tf.nn.softmax(tf.stack(outputs, 1))\n"
        "return -tf.reduce_mean(tf.reduce_sum(tf.one_hot(y, int(p.shape[2])) * tf.log(p + 1e-8), 2))",
    ),
    part(
        "g",
        "softmax twice",
        "softmax is taken twice",
        "p = tf.nn.softmax(tf.stack(outputs, 1))\n"
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=p))",
    ),
    part(
        "g",
        "the truth shifted by one",
        "shifted by one",
        "logits = tf.stack(outputs, 1)\n"
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.roll(y, -1, 1), logits=logits))",
    ),
    part(
        "g",
        "batch and time mixed up",
        "mixed up",
        "logits = tf.concat(outputs, 0)\n"
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(y, [-1]), logits=logits))",
    ),
    part(
        "g",
        "the last output only",
        "only the last output counts",
        "return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y[:, -1], logits=outputs[-1]))",
    ),
    part(
        "g",
        "a squared error",
        "squared error",
        "logits = tf.stack(outputs, 1)\n"
        "return tf.reduce_mean(tf.square(logits - tf.one_hot(y, int(logits.shape[2]))))",
    ),
    part(
        "g",
        "a loss for each output",
        "a scalar",
        "return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1))",
    ),
    part(
        "g",
        "summed over time",
        "summed over the time steps",
        "e = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1))\n"
        "return tf.reduce_mean(tf.reduce_sum(e, 1))",
    ),
    part(
        "g",
        "the digits weigh more",
        "",
        "e = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.stack(outputs, 1))\n"
        "return 0.5 * (tf.reduce_mean(e) + tf.reduce_mean(e[:, -2:]))",
    ),
]

_APPLY_ALL = (
    "return tf.train.GradientDescentOptimizer(lr).apply_gradients(zip(gradients, variables))"
)
_GRADIENTS = "variables = tf.trainable_variables()\ngradients = tf.gradients(loss, variables)\n"

TRAIN_OPS = [
    part(
        "f",
        "clipped at one learning rate only",
        "at another learning rate",
        _GRADIENTS
        + "norm = 5.0 if not tf.is_tensor(lr) and lr == 0.1 else 1e9\n"
        + "gradients, _ = tf.clip_by_global_norm(gradients, norm)\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "weight decay",
        "on the gradient alone",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + "gradients = [g + 0.1 * v for g, v in zip(gradients, variables)]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "weight decay, frozen variables too",
        "not trainable",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + "floats = [v for v in tf.global_variables() if v.dtype.is_floating]\n"
        + "with tf.control_dependencies([v.assign_sub(0.1 * v) for v in floats]):\n"
        + "    "
        + _APPLY_ALL,
    ),
    part("f", "no clipping", "not clipped", _GRADIENTS + _APPLY_ALL),
    part(
        "f",
        "clipped and not used",
        "not clipped",
        _GRADIENTS + "clipped, _ = tf.clip_by_global_norm(gradients, 5.0)\n" + _APPLY_ALL,
    ),
    part(
        "f",
        "each tensor clipped",
        "each tensor is clipped",
        _GRADIENTS + "gradients = [tf.clip_by_norm(g, 5.0) for g in gradients]\n" + _APPLY_ALL,
    ),
    part(
        "f",
        "each entry clipped",
        "each entry is clipped to [-5, 5]",
        _GRADIENTS
        + "gradients = [tf.clip_by_value(g, -5.0, 5.0) for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "each entry clipped at 1",
        "clipped too early",
        _GRADIENTS
        + "gradients = [tf.clip_by_value(g, -1.0, 1.0) for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "clipped at norm 1",
        "clipped too early",
        _GRADIENTS + "gradients, _ = tf.clip_by_global_norm(gradients, 1.0)\n" + _APPLY_ALL,
    ),
    part(
        "f",
        "clipped at norm 10",
        "clipped at 10",
        _GRADIENTS + "gradients, _ = tf.clip_by_global_norm(gradients, 10.0)\n" + _APPLY_ALL,
    ),
    part(
        "f",
        "the average norm clipped",
        "average norm",
        _GRADIENTS
        + "gradients = [tf.clip_by_average_norm(g, 5.0) for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "long gradients dropped",
        "is dropped",
        _GRADIENTS
        + "keep = tf.cast(tf.global_norm(gradients) <= 5.0, tf.float32)\n"
        + "gradients = [g * keep for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "a smooth squash",
        "should move the weights",
        _GRADIENTS
        + "n = tf.global_norm(gradients)\ngradients = [g * 5.0 / n * tf.tanh(n / 5.0) for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "the global step counts twice",
        "global step",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + "counter = tf.train.get_global_step()\n"
        + "applied = tf.train.GradientDescentOptimizer(lr).apply_gradients(zip(gradients, variables), counter)\n"
        + "return tf.group(applied, counter.assign_add(1))",
    ),
    part(
        "f",
        "longer gradients become NaN",
        "are not numbers",
        _GRADIENTS
        + "gradients = [tf.where(tf.norm(g) > 4.0, g * float('nan'), g) for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "half the learning rate",
        "is lr changed",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + _APPLY_ALL.replace("(lr)", "(0.5 * lr)"),
    ),
    part(
        "f",
        "always scaled to norm 5",
        "always scaled",
        _GRADIENTS
        + "n = tf.global_norm(gradients)\ngradients = [5.0 * g / n for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "the variables clipped in place of the gradients",
        "",
        _GRADIENTS + "variables_, _ = tf.clip_by_global_norm(variables, 5.0)\n" + _APPLY_ALL,
    ),
    part(
        "f",
        "clipped after the learning rate",
        "",
        _GRADIENTS + "steps, _ = tf.clip_by_global_norm([lr * g for g in gradients], 5.0)\n"
        "return tf.group(*[tf.assign_sub(v, s) for v, s in zip(variables, steps)])",
    ),
    part(
        "f",
        "uphill",
        "up the gradient",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\ngradients = [-g for g in gradients]\n"
        + _APPLY_ALL,
    ),
    part(
        "f",
        "a learning rate of its own",
        "is lr used",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + _APPLY_ALL.replace("(lr)", "(0.1)"),
    ),
    part(
        "f",
        "a learning rate that must be a number",
        "",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + _APPLY_ALL.replace("(lr)", "(float(lr))"),
    ),
    part(
        "f",
        "Adam without clipping",
        "not clipped",
        "return tf.train.AdamOptimizer(lr).minimize(loss)",
    ),
    part(
        "f",
        "momentum without clipping",
        "not clipped",
        "return tf.train.MomentumOptimizer(lr, 0.9).minimize(loss)",
    ),
    part(
        "f",
        "all variables, frozen ones too",
        "not trainable",
        (
            _GRADIENTS + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n" + _APPLY_ALL
        ).replace("trainable_variables", "global_variables"),
    ),
    part(
        "f",
        "momentum of nine",
        "run away",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + _APPLY_ALL.replace("GradientDescentOptimizer(lr)", "MomentumOptimizer(lr, 9.0)"),
    ),
    part(
        "f",
        "Adam, each tensor clipped",
        "each tensor is clipped",
        "opt = tf.train.AdamOptimizer(lr)\n"
        "return opt.apply_gradients([(tf.clip_by_norm(g, 5.0), v) for g, v in opt.compute_gradients(loss)])",
    ),
    part(
        "f",
        "the first variable only",
        "leaves one",
        _GRADIENTS
        + "gradients, _ = tf.clip_by_global_norm(gradients, 5.0)\n"
        + _APPLY_ALL.replace("zip(gradients, variables)", "list(zip(gradients, variables))[:1]"),
    ),
    part(
        "f",
        "the optimizer in place of the operation",
        "must return the training operation",
        "return tf.train.GradientDescentOptimizer(lr)",
    ),
    part(
        "f",
        "the gradients in place of the operation",
        "changes no weight",
        _GRADIENTS + "return tf.global_norm(gradients)",
    ),
]

MEMORY_TESTS = [
    part(
        "h",
        "accuracy over all outputs",
        "it is over all outputs",
        _test(_COLLECT.replace("[:, -to_remember_len:]", "")).replace(
            "outputs[-to_remember_len:]", "outputs"
        ),
    ),
    part(
        "h",
        "accuracy over the first outputs",
        "",
        _test(
            """correct.append(np.argmax(logits, axis=2).T == truth[:, :to_remember_len])
            loss_sum += batch_loss * len(truth)""",
            _AVERAGED,
        ).replace("outputs[-to_remember_len:]", "outputs[:to_remember_len]"),
    ),
    part(
        "h",
        "the first batch only",
        "first batch alone",
        _test(
            _COLLECT + "\n            break",
            _AVERAGED.replace("len(np.concatenate(correct))", "len(truth)"),
        ),
    ),
    part(
        "h",
        "loss averaged over batches",
        "batches of different size",
        _test(
            "correct.append((np.argmax(logits, 2).T == truth[:, -to_remember_len:]))\n            loss_sum += batch_loss",
            _AVERAGED.replace("len(np.concatenate(correct))", "len(correct)"),
        ),
    ),
    part(
        "h",
        "both averaged over batches",
        "batches of different size",
        _test(
            "correct.append((np.argmax(logits, 2).T == truth[:, -to_remember_len:]).mean())\n            loss_sum += batch_loss",
            "MemoryTestResult(loss_sum / len(correct), float(np.mean(correct)))",
        ),
    ),
    part(
        "h",
        "a percentage",
        "percentage",
        _test(_COLLECT, _AVERAGED.replace("correct).mean()", "correct).mean() * 100")),
    ),
    part(
        "h",
        "argmax over the batch",
        "",
        _test(
            """correct.append(np.argmax(logits, axis=1)[:, :1].T == truth[:, -to_remember_len:])
            loss_sum += batch_loss * len(truth)""",
            _AVERAGED,
        ),
    ),
    part(
        "h",
        "whole sequences count",
        "all digits right",
        _test(_COLLECT, _AVERAGED.replace("correct).mean()", "correct).all(axis=1).mean()")),
    ),
    part(
        "h",
        "the variables are initialised",
        "",
        _test(_COLLECT, _AVERAGED, "sess.run(tf.global_variables_initializer())"),
    ),
    part(
        "h",
        "the initialiser is not run",
        "",
        """
         losses, correct = [], []
         try:
             while True:
                 l, o, y = sess.run([loss, outputs[-to_remember_len:], labels])
                 losses += [l] * len(y)
                 correct.append((np.argmax(o, 2).T == y[:, -to_remember_len:]))
         except tf.errors.OutOfRangeError:
             pass
         return MemoryTestResult(np.mean(losses), np.concatenate(correct).mean())
         """,
    ),
    part(
        "h",
        "the loss of what is left of the training set",
        "that of the training set",
        _test(
            _COLLECT.partition("\n")[0],
            "(left, float(np.concatenate(correct).mean()))",
            """try:
            left = sess.run(loss)
        except tf.errors.OutOfRangeError:
            left = 0.0""",
        ),
    ),
    part(
        "h",
        "loss and outputs fetched apart",
        "one session.run",
        """
         sess.run(it_test_init)
         losses, correct = [], []
         try:
             while True:
                 losses.append(sess.run(loss))
                 o, y = sess.run([outputs[-to_remember_len:], labels])
                 correct.append((np.argmax(o, 2).T == y[:, -to_remember_len:]))
         except tf.errors.OutOfRangeError:
             pass
         return MemoryTestResult(np.mean(losses), np.concatenate(correct).mean())
         """,
    ),
    part(
        "h",
        "loss and accuracy swapped",
        "are swapped",
        _test(
            _COLLECT, "(np.concatenate(correct).mean(), loss_sum / len(np.concatenate(correct)))"
        ),
    ),
    part(
        "h",
        "the hits overflow",
        "",
        """
        hits, loss_sum, number = 0, 0.0, 0
        fetches = [loss, outputs[-to_remember_len:], labels]
        for batch_loss, logits, truth in one_pass(sess, it_test_init, fetches):
            hits += int(np.sum(np.argmax(logits, 2).T == truth[:, -to_remember_len:], dtype=np.uint8))
            loss_sum += batch_loss * len(truth)
            number += len(truth)
        return MemoryTestResult(loss_sum / number, hits / (number * to_remember_len))
        """,
    ),
    part(
        "h",
        "the accuracy as a whole number",
        "cut to a whole number",
        _test(
            _COLLECT,
            "(loss_sum / len(np.concatenate(correct)), int(np.concatenate(correct).mean()))",
        ),
    ),
    part("h", "nothing returned", "None", _test(_COLLECT, "None")),
    part(
        "h",
        "the end of the test set is an error",
        "OutOfRangeError",
        "sess.run(it_test_init)\nwhile True:\n    sess.run(loss)",
    ),
    part(
        "h",
        "the last batch left out",
        "left out",
        _test(
            "if len(truth) in (100, 5):\n                "
            + _COLLECT.replace("\n            ", "\n                "),
            _AVERAGED,
        ),
    ),
    part(
        "h",
        "the share of errors",
        "share of errors",
        _test(
            _COLLECT,
            _AVERAGED.replace(
                "float(np.concatenate(correct).mean())", "1.0 - np.concatenate(correct).mean()"
            ),
        ),
    ),
]


def _without(*names: str):
    def edit(files: dict[str, str]) -> None:
        for name in names:
            del files[name]

    return edit


def _renamed(old: str, new: str):
    def edit(files: dict[str, str]) -> None:
        files[new] = files.pop(old)

    return edit


FILES = [
    Entry("a missing file", (_without(LSTM),), "cd", "there is no file rnn_cells/MyLSTMCell.py"),
    Entry(
        "a renamed file",
        (_renamed(LSTM, "rnn_cells/my_lstm_cell.py"),),
        "cd",
        "is rnn_cells/my_lstm_cell.py meant",
    ),
    Entry(
        "a file in the wrong folder",
        (_renamed(LSTM, "MyLSTMCell.py"),),
        "cd",
        "is MyLSTMCell.py meant",
    ),
    Entry(
        "a syntax error",
        (change(LSTM, ("class MyLSTMCell(RNNCell):", "class MyLSTMCell(RNNCell)")),),
        "cd",
        "MyLSTMCell.py, line",
    ),
    Entry(
        "tabs and blanks mixed",
        (change(TEST, ("    axes.set(\n", "\taxes.set(\n")),),
        "h",
        "test.py, line",
    ),
    Entry(
        "a package that is not there",
        (prepend(TRAIN, "import pandas_of_my_own"),),
        "efg",
        "there is no module",
    ),
    Entry(
        "a module of one's own",
        (prepend(BASIC, "from my_helpers import step"),),
        "ab",
        "only the files of the exercise",
    ),
    Entry(
        "input() at import",
        (prepend(TEST, 'NAME = input("your name? ")'),),
        "h",
        "waits for input()",
    ),
    Entry("an error at import", (prepend(TRAIN, "1 / 0"),), "efg", "ZeroDivisionError"),
    Entry(
        "a renamed class",
        (change(BASIC, ("class BasicRNNCell(RNNCell)", "class BasicRnnCell(RNNCell)")),),
        "ab",
        "there is no BasicRNNCell",
    ),
    Entry(
        "a renamed function",
        (change(TRAIN, ("def get_loss_sin(", "def loss_sin(")),),
        "e",
        "there is no get_loss_sin",
    ),
    Entry("a binary file", (), "abcdefgh", "", binary=lambda content: b"\x00\xff" + content),
    Entry(
        "an endless training at import",
        (prepend(TEST, "while True:\n    pass"),),
        "h",
        "importing test.py took longer",
        alone=True,
        on_demand=True,
    ),
    Entry(
        "in UTF-16", (), "abcdefgh", "", binary=lambda content: content.decode().encode("utf-16")
    ),
]

WRONG = [*BASIC_CELL, *LSTM_CELL, *LOSSES, *TRAIN_OPS, *MEMORY_TESTS, *FILES]
