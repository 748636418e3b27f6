# SPDX-License-Identifier: Apache-2.0
"""Handlers that belong to one method of distillation: discriminators, gradients, adaptation."""
