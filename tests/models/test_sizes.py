"""Sizes of the networks whose published weights earmark uses, as the code of their authors builds them."""

import pytest

pytest.importorskip("torch")

from earmark.models.base import build


@pytest.mark.parametrize(
    ("architecture", "n_parameters"),
    [
        ("crnn", 394_100),
        ("crnn_choi", 396_786),
        ("fcn", 447_732),
        ("musicnn", 787_159),
        ("musicnn_won", 784_300),
        ("vgg", 605_748),
    ],
)
def test_parameters_are_those_of_the_published_code(architecture: str, n_parameters: int) -> None:
    assert build(architecture).n_parameters == n_parameters
