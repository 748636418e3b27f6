# SPDX-License-Identifier: Apache-2.0
"""What every MONAI bundle is made of, whoever reads it: the ids of its configs, and its scripts."""
