# SPDX-License-Identifier: MIT
import json
from dataclasses import replace

from backend.summary import summarise


def test_a_take_with_limits_says_so(take) -> None:
    assert "Estimator  Keypoints\n" in summarise(take).to_text()
    assert "Notice" not in summarise(take).to_text()
    limited = summarise(replace(take, estimator="vibe", notice=""))
    assert "Estimator  VIBE, non-commercial research\n" in limited.to_text()
    assert "Notice     Captured with the published weights of VIBE" in limited.to_text()
    assert "non-commercial" in json.loads(limited.to_json())["notice"]
