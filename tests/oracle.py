"""The equations once more, in NumPy and float64, written independently of the project's code.

B = batch, T = time steps, I = inputs, H = hidden units, C = classes.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def basic_rnn(x, h, w, b, activation=lambda a: a):
    """Outputs [T, B, H] and last state [B, H] of h_t = activation([x_t, h] w + b)."""
    outputs = []
    for t in range(x.shape[1]):
        h = activation(np.hstack([x[:, t], h]).astype(np.float64) @ w + b)
        outputs.append(h)
    return np.array(outputs), h


def lstm(x, h, c, w, b):
    """Outputs [T, B, H] and last states h, c; the columns of w are the gates i, j, f, o."""
    n = h.shape[1]
    outputs = []
    for t in range(x.shape[1]):
        gates = np.hstack([x[:, t], h]).astype(np.float64) @ w + b
        i = sigmoid(gates[:, 0 * n : 1 * n])
        j = np.tanh(gates[:, 1 * n : 2 * n])
        f = sigmoid(gates[:, 2 * n : 3 * n])
        o = sigmoid(gates[:, 3 * n : 4 * n])
        c = f * c + i * j
        h = o * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), h, c


def cross_entropy(logits, labels):
    """Mean over B and T of -ln softmax(logits)[labels], for logits [B, T, C]."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -np.mean(
        [
            log_probabilities[b, t, labels[b, t]]
            for b in range(labels.shape[0])
            for t in range(labels.shape[1])
        ]
    )
