# SPDX-License-Identifier: Apache-2.0
"""What every MONAI bundle is made of, whoever reads it: ids and sizes in its configs, and its scripts."""
