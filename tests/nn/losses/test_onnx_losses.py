"""The node tests of the ONNX standard for losses, all of them."""

import pytest
from onnx_nodes import check

import dlgradient as dl


def entropy(a, y, targets, weights=None, *, from_logits):
    """The cross-entropy of classes by index, in each of the standard's reductions."""
    reduction, ignored = a.get("reduction", b"mean").decode(), a.get("ignore_index")
    loss = dl.indexcrossentropy(
        y,
        targets,
        *([] if weights is None else [weights]),
        from_logits=from_logits,
        mask_index=ignored,
        reduction="none" if reduction == "none" else "sum",
        normalization_factor="mask-included" if reduction == "mean" and weights is None else "none",
        data_format="BC" + "S" * (y.ndim - 2),
    )
    if reduction == "mean" and weights is not None:
        # The standard divides by the weights of the targets that count.
        kept = targets if ignored is None else targets[targets != ignored]
        loss = loss / dl.sum(dl.take(weights, kept.ravel()))
    return loss


def likelihood(a, logarithms, targets, weights=None):
    return entropy(a, dl.exp(logarithms), targets, weights, from_logits=False)


def softmax_entropy(a, scores, targets, weights=None):
    loss = entropy(a, scores, targets, weights, from_logits=True)
    return loss, dl.log_softmax(scores, axis=1)


LOSSES = {
    "negativeloglikelihoodloss": likelihood,
    "softmax_cross_entropy_loss": softmax_entropy,
}


@pytest.mark.parametrize("operator", LOSSES)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, LOSSES[operator])
