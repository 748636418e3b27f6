# SPDX-License-Identifier: Apache-2.0
"""The teacher's bundle: its weights, networks, data and labels."""
