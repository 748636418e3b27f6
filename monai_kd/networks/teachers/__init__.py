# SPDX-License-Identifier: Apache-2.0
"""Teachers made of networks: ensembles, flip averaging, and a network with box prompts."""
