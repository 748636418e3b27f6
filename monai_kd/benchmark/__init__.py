# SPDX-License-Identifier: Apache-2.0
"""Time, memory, size and Dice of a student's exported forms and of its teacher on this machine."""
