# SPDX-License-Identifier: Apache-2.0
"""What a client may ask for, checked before anything is done."""
