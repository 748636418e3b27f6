# SPDX-License-Identifier: Apache-2.0
"""The server's endpoints: MONAI Label's protocol, each request in a thread, with files of its own."""
