# SPDX-License-Identifier: Apache-2.0
import monai_kd.losses as losses


def test_every_exported_loss_is_in_the_catalogue():
    for name in losses.__all__:
        assert f"``{name}``" in losses.__doc__
