"""One experiment: a cell learns a task, and is tested on it.

    from experiment.settings import complete
    from experiment.run import open_experiment
    from train import run_training

    settings = complete({"task": "memory", "cell": "lstm"})
    with open_experiment(settings) as (sess, model):
        run_training(sess, settings.epochs, model.train_op, model.loss, model.it_train_init)

`settings` and `folder` (the folder of a run, and what it leaves there) need no TensorFlow, so
wrong usage is answered at once. `model` builds the graph: `unrolling` runs a cell over
sequences of any length; `towers` spreads the batch over all cores, with `copying` of the first
tower and leaner `gradients`. `checkpoints` keeps a training, epoch by epoch. `evaluation`
tests what was trained. `run` does all of it, from the settings to `result.json`.
"""
