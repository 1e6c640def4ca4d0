# SPDX-License-Identifier: MIT
"""Networks that read a frame with those before and behind it, TCMR (Choi et al. 2021) and DTS-VIBE: features to bodies.

They share VIBE's crops and image network (``..vibe``), whose features are kept (reading), and speak when a preview or
the estimate is asked for (speaking). Everything here needs torch.
"""

from .networks import open_dts_vibe, open_tcmr
from .reading import WindowReader
from .speaking import Speaker

__all__ = ["Speaker", "WindowReader", "open_dts_vibe", "open_tcmr"]
