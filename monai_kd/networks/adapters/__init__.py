# SPDX-License-Identifier: Apache-2.0
"""Modules that bring a student's feature to the shape of a teacher's."""
