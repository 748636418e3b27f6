# SPDX-License-Identifier: Apache-2.0
"""The MONAI Label app: it serves a student to annotators, and trains it on their labels."""

from monai_kd.label.server_end import end_with_server

end_with_server()  # before large imports, during which the server may end
