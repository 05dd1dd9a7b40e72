"""Recurrent cells in TensorFlow 1.x style: one class a file, all re-exported here."""

from rnn_cells.BasicRNNCell import BasicRNNCell, MyBasicRNNState
from rnn_cells.MyLSTMCell import MyLSTMCell, MyLSTMState
from rnn_cells.RNNCell import RNNCell
from rnn_cells.RNNOutputWrapper import RNNOutputWrapper

__all__ = [
    "BasicRNNCell",
    "MyBasicRNNState",
    "MyLSTMCell",
    "MyLSTMState",
    "RNNCell",
    "RNNOutputWrapper",
]
