# SPDX-License-Identifier: Apache-2.0
"""Discriminators of adversarial distillation."""
