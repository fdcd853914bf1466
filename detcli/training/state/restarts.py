"""Restarts from the best state, when augmentation stops and after that."""

from detcli.training.optimization.optimizer import MovingAverage
from detcli.training.state.checkpointing import Checkpointer

_RESTART_STEP = 1e-4  # the decay of the average is reduced by it at each restart


def restart_if_due(average: MovingAverage, checkpointer: Checkpointer, ap: float | None) -> None:
    """Restart from the best state when augmentation stops, and whenever the AP falls after that.

    average       of the weights
    checkpointer  its progress is at the end of an epoch
    ap            of this epoch; None: it was not evaluated

    Source: the D-FINE repository's solver. When augmentation stops, the average gets another decay; it is reduced with
    each epoch whose AP is lower than the best since the last restart.
    """
    progress, recipe = checkpointer.progress, checkpointer.job.recipe
    epoch, stop_at = progress.epoch, recipe.stop_augmentation_epoch
    if not 0 < stop_at < recipe.epochs or epoch + 1 == recipe.epochs:
        return
    if epoch + 1 < stop_at:
        return
    if epoch + 1 == stop_at:
        checkpointer.restart_from_best()
        average.decay = recipe.ema_restart_decay
        progress.best_since_restart = progress.best
    elif ap is not None and (progress.best_since_restart is None or ap >= progress.best_since_restart):
        progress.best_since_restart = ap
    elif ap is not None:
        decay = average.decay
        checkpointer.restart_from_best()
        average.decay = max(0.0, decay - _RESTART_STEP)
        progress.best_since_restart = None
