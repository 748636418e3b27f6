# SPDX-License-Identifier: Apache-2.0
"""
A page that segments in the browser, offline: static files around an exported student.

================ ====================================================================
``npm_packages`` the packages that the page needs, pinned, from the npm registry
``writing``      the folder of the page
``serving``      a server for this machine
``page``         the page itself: HTML, CSS and JavaScript modules, copied as they are
================ ====================================================================
"""
