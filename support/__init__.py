"""What all others may use: files, the terminal, parallel work. It knows no neural network.

Nothing in here imports TensorFlow.
"""
