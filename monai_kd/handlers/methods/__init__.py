# SPDX-License-Identifier: Apache-2.0
"""Handlers for one distillation method each: discriminators, gradients, domain adaptation."""
