# SPDX-License-Identifier: Apache-2.0
"""What a student's exported forms cost on this machine, beside its teacher: time, memory, size and Dice."""
