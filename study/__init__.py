"""The sheet's questions, answered by many small experiments.

    python -m study span            how recall falls with the lag, at equal numbers of parameters
    python -m study reach           the longest lag that each cell solves
    python -m study variable-lag    the same where each sequence has a lag of its own
    python -m study curriculum      how recall falls with the lag if short lags are taught first
    python -m study sine            how fast a continued sine goes wrong, and what helps
    python -m study optimizers      which optimizer suits which cell and task

Each leaves a table (CSV) and a figure in runs/study/. Finished experiments are kept there, too: a
stopped study continues where it was. See `python -m study --help`.

`questions` says which experiments a question needs. `cases` runs one with several seeds at its best
learning rate. `runner` runs and keeps them. `figures` draws the results.
"""
