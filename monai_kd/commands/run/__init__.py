# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd run``."""
