"""Recurrent cells in TensorFlow 1.x style: one class a file, all re-exported here.

Beside them stands what runs any cell: over long sequences (`run_cell`), on all cores
(`build_towers`).
"""

from rnn_cells.BasicRNNCell import BasicRNNCell, MyBasicRNNState
from rnn_cells.MyLSTMCell import MyLSTMCell, MyLSTMState
from rnn_cells.RNNCell import RNNCell
from rnn_cells.RNNOutputWrapper import RNNOutputWrapper
from rnn_cells.towers import Tower, build_towers
from rnn_cells.unrolling import run_cell

__all__ = [
    "BasicRNNCell",
    "MyBasicRNNState",
    "MyLSTMCell",
    "MyLSTMState",
    "RNNCell",
    "RNNOutputWrapper",
    "Tower",
    "build_towers",
    "run_cell",
]
