# SPDX-License-Identifier: Apache-2.0
"""``configs/logging.conf`` of every bundle: one line for each message, with its time."""

LOGGING = """\
[loggers]
keys=root

[handlers]
keys=console

[formatters]
keys=line

[logger_root]
level=INFO
handlers=console

[handler_console]
class=StreamHandler
level=INFO
formatter=line
args=(sys.stdout,)

[formatter_line]
format=%(asctime)s %(levelname)s %(name)s: %(message)s
datefmt=%H:%M:%S
"""
