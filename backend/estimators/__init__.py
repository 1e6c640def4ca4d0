# SPDX-License-Identifier: MIT
"""One person's readings in, an Estimate per frame out: one module per estimator."""
