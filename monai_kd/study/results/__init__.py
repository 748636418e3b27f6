# SPDX-License-Identifier: Apache-2.0
"""The results of a study's runs: scores by image, and statistics over them."""
