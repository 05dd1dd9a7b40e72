"""What everything may use and what knows no network: files, the terminal, parallel work.

Nothing in here imports TensorFlow.
"""
