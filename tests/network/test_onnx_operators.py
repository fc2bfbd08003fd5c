"""The node tests of the ONNX standard, all of them, by the importer.

Every test is a model of one node, whose expected results are computed by code of the standard.
"""

import numpy as np
import onnx
import onnx_cases
import pytest

import dlgradient as dl
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.onnx.registry import table

# Operators that make no random numbers, but other ones than the standard's tests have.
DRAWN = ("test_bernoulli", "test_training_dropout")
# Modules of the standard all of whose tests the importer refuses: quantisation, strings, sequences,
# options, images in files, losses, updates, and what is new or rare.
REFUSED = {
    *("adagrad", "adam", "momentum", "ai_onnx_ml", "bitcast", "convinteger", "deformconv"),
    *("dequantizelinear", "dynamicquantizelinear", "flexattention", "image_decoder"),
    *("linear_attention", "matmulinteger", "optionalgetelement", "optionalhaselement"),
    *("negativeloglikelihoodloss", "softmax_cross_entropy_loss", "qlinearconv", "qlinearmatmul"),
    *("quantizelinear", "regex_full_match", "sequence_map", "sequenceinsert", "splittosequence"),
    *("string_concat", "string_split", "stringnormalizer", "tfidfvectorizer"),
}
# No tests; and a model without an input.
NONE = {"_image_decoder_data", "constant"}


def imported(module):
    for name, message, inputs, outputs in onnx_cases.made(module):
        if name.startswith(DRAWN):
            continue
        try:
            yield name, dl.import_network_from_onnx(message), inputs, outputs
        except InvalidArgumentError as error:
            assert "not supported" in str(error) or "opset_import" in str(error), name  # noqa: PT017
            continue


@pytest.mark.parametrize("module", sorted({*onnx_cases.MODULES} - REFUSED - NONE))
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(module):
    for name, net, inputs, outputs in imported(module):
        found = net.predict(*inputs)
        found = found if isinstance(found, tuple) else (found,)
        for y, expected in zip(found, outputs, strict=True):
            half = expected.dtype.itemsize == 2 and expected.dtype.kind not in "iu"
            wanted = expected.astype(np.float32) if half else expected
            assert (y.shape, y.dtype) == (wanted.shape, wanted.dtype), name
            rtol, atol = (4e-2, 4e-2) if half else (1e-5, 1e-5)
            # Some tests have their numbers written out, to four digits.
            if module in ("roialign", "gridsample", "averagepool"):
                atol = 1e-4
            np.testing.assert_allclose(y, wanted, rtol=rtol, atol=atol, err_msg=name)


def test_every_operator_is_one_of_the_standard():
    assert [name for name in table() if not onnx.defs.has(name)] == []


@pytest.mark.parametrize("module", sorted(REFUSED))
@pytest.mark.filterwarnings("ignore")
def test_what_is_refused_is_refused_whole(module):
    assert list(imported(module)) == []
