# SPDX-License-Identifier: BSD-2-Clause
"""A machine that says random verbs, and knows from a plain dictionary what has to come of them."""
