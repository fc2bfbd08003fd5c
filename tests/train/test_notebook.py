"""The picture of a training in a real notebook: what its kernel sends to the page."""

import base64
import importlib.util
import sys
import textwrap

import pytest

ABSENT = [
    name for name in ("ipykernel", "jupyter_client") if importlib.util.find_spec(name) is None
]
CODE = """
    import numpy as np
    import dlgradient as dl
    from dlgradient import layers

    x = np.linspace(-1, 1, 40, dtype=np.float32).reshape(40, 1)
    net = [layers.FeatureInput(1), layers.FullyConnected(1)]
    chosen = dl.training_options(
        "sgdm", max_epochs=3, verbose=False, plots="training-progress", generator=0
    )
    net, info = dl.trainnet(x, 2 * x, net, "mse", chosen)
    print(info.stop_reason)
"""


def messages_of(client, code):
    """Run a cell; return what the kernel publishes until it is idle."""
    found = []
    client.execute_interactive(textwrap.dedent(code), output_hook=found.append, timeout=120)
    return [(m["header"]["msg_type"], m["content"]) for m in found]


@pytest.mark.skipif(bool(ABSENT), reason="needs a kernel: pip install ipykernel")
def test_a_kernel_shows_one_picture_and_replaces_it(tmp_path):
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        messages = messages_of(client, CODE)
        later = messages_of(client, "1 + 1")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [kind for kind, _ in messages]
    errors = [content["traceback"] for kind, content in messages if kind == "error"]
    assert not errors, "\n".join(errors[0])
    assert kinds.count("display_data") == 1
    assert "update_display_data" in kinds[kinds.index("display_data") :]
    pictures = [content for kind, content in messages if kind.endswith("display_data")]
    for picture in pictures:
        assert base64.b64decode(picture["data"]["image/png"]).startswith(b"\x89PNG")
    assert len({picture["transient"]["display_id"] for picture in pictures}) == 1
    assert any("Max epochs completed" in content.get("text", "") for _, content in messages)
    assert not [kind for kind, _ in later if kind.endswith("display_data")]
