"""The solver "lbfgs": steps of `lbfgsupdate` with all data."""

from __future__ import annotations

from typing import Any

from dlgradient.network.network import dlnetwork
from dlgradient.train.full_batch import FullBatch
from dlgradient.train.gradients import penalty, regularized
from dlgradient.train.lbfgs import lbfgs_state, lbfgsupdate
from dlgradient.train.loss import Batch, Evaluation
from dlgradient.train.options import TrainingOptions
from dlgradient.train.training import Row, Step, Training

__all__ = ["QuasiNewton"]


class QuasiNewton(FullBatch):
    """Steps of L-BFGS, whose line searches see loss and regularisation."""

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.state = lbfgs_state(options.history_size, options.initial_inverse_hessian_factor)

    def saved(self) -> dict[str, Any]:
        """Return the history; loss and gradients are computed again, and are the same."""
        state = self.state
        return {
            "steps": list(state.step_history),
            "differences": list(state.gradients_difference_history),
        }

    def restore(self, saved: dict[str, Any], net: dlnetwork) -> None:
        """Take the history of a checkpoint."""
        del net
        self.state = self.state._after(
            step_history=tuple(saved["steps"]),
            gradients_difference_history=tuple(saved["differences"]),
        )

    def improved(self, training: Training, batch: Batch) -> Step:
        """Take a step along the direction that the last steps shape."""
        options, net = self.options, training.net
        objective = self.without_chance(training.objective)

        def loss(net: dlnetwork) -> tuple[float, Any, Evaluation]:
            found = objective(net, batch)
            gradients = regularized(net, found.gradients, self.l2)
            return float(found.loss) + penalty(net, self.l2), gradients, found

        new, self.state = lbfgsupdate(
            net,
            loss,
            self.state,
            line_search_method=options.line_search_method,
            max_num_line_search_iterations=options.max_num_line_search_iterations,
            num_loss_function_outputs=3,
        )
        found: Evaluation = self.state.additional_loss_function_outputs[0]
        new = new.with_learnables(new.learnables)  # the state has the other one
        new.state = found.state
        row: Row = {
            "loss": float(found.loss),
            "gradient_norm": float(self.state.gradients_norm or 0.0),
            "step_norm": float(self.state.step_norm or 0.0),
        }
        reason = self.reached(row)
        if row["step_norm"] == 0 and not reason.startswith("Gradient"):
            reason = "Line search failed"
        return Step(new, row, found.ys, reason)
