# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m monai_kd``, one per file. A command imports what it calls when it runs."""
