# SPDX-License-Identifier: BSD-2-Clause
"""The verbs: parse, ask the model, act through the backend, report."""
