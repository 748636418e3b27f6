# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest

from monai_kd.utils.messages import closest, first_cause


def chain(*errors):
    """Errors, each caused by the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("errors", "kinds", "found"),
    [
        ([RuntimeError()], (), 0),
        ([RuntimeError(), KeyError(), OSError()], (), 2),
        ([RuntimeError(), ValueError(), OSError()], (ValueError,), 1),
        ([RuntimeError(), FileNotFoundError(), KeyError()], (ValueError, OSError), 1),
        ([ValueError(), OSError()], (ValueError,), 0),
        ([RuntimeError(), KeyError()], (ValueError,), 1),
    ],
    ids=repr,
)
def test_the_search_ends_at_a_kind_or_at_the_last(errors, kinds, found):
    assert first_cause(chain(*errors), kinds) is errors[found]


def test_what_was_meanwhile_handled_is_no_cause():
    try:
        try:
            raise KeyError
        except KeyError:
            raise RuntimeError  # noqa: B904
    except RuntimeError as error:
        assert first_cause(error) is error


@pytest.mark.parametrize("names", [["max_epochs", "seed"], ("seed", "max_epochs"), {"seed": 0, "max_epochs": 1}])
def test_the_closest_name_in_whatever_order(names):
    assert closest("max_epoch", names) == "max_epochs"


def test_a_name_like_no_other_has_a_closest_one_too():
    assert closest("zzz", ["abc"]) == "abc"
