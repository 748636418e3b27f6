# SPDX-License-Identifier: Apache-2.0
"""What a study's runs have left: scores by image, and statistics over them."""
